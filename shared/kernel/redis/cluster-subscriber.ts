/**
 * A subscriber in Redis Cluster, where each node hears every message. It is a connection of its own to one node, not
 * the Cluster client: that one hides the connection that subscribes, so that its death can't be noticed and what was
 * missed meanwhile is not known of. Each new connection goes to the next node.
 */
import { connect as connectTcp } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import { AbstractConnector, Redis, type RedisOptions } from 'ioredis'
import { parseClusterUrl, type HostAndPort } from './url.ts'

type Stream = Awaited<ReturnType<AbstractConnector['connect']>>

/** The connections of ioredis, which it makes with its own options; what it needs of a stream is settled in there. */
type Connector = NonNullable<RedisOptions['Connector']>

export function openClusterSubscriber(url: string, common: RedisOptions): Redis {
  const { nodes, options } = parseClusterUrl(url)
  const known = [...nodes]
  let next = Math.floor(Math.random() * known.length)

  class NextNode extends AbstractConnector {
    constructor({ disconnectTimeout }: { disconnectTimeout?: number }) {
      super(disconnectTimeout ?? 2_000)
    }

    connect(): Promise<Stream> {
      this.connecting = true
      next = (next + 1) % known.length
      this.stream = connectTo(known[next]!, options.tls)
      this.stream.once('error', (cause) => (this.firstError = cause))
      return Promise.resolve(this.stream)
    }
  }

  const client = new Redis({ ...common, ...options, Connector: NextNode as unknown as Connector })
  client.on('ready', () => {
    // The nodes of the URL may be gone one day, and others there.
    client
      .cluster('SLOTS')
      .then((slots) => remember(known, slots))
      .catch(() => {})
  })
  return client
}

function connectTo({ host, port }: HostAndPort, tls: ConnectionOptions | undefined): Stream {
  return tls ? connectTls({ host, port, ...tls }) : connectTcp({ host, port })
}

function remember(known: HostAndPort[], slots: unknown): void {
  if (!Array.isArray(slots)) return
  for (const [, , ...nodes] of slots as unknown[][]) {
    for (const node of nodes) {
      const [host, port] = Array.isArray(node) ? (node as unknown[]) : []
      if (typeof host !== 'string' || host === '' || typeof port !== 'number') continue
      if (!known.some((other) => other.host === host && other.port === port)) known.push({ host, port })
    }
  }
}
