import { SentinelConnector, type Redis, type SentinelAddress, type SentinelConnectionOptions } from 'ioredis'

interface Asking {
  connectToSentinel(sentinel: Partial<SentinelAddress>, options?: object): Redis
  stream?: { readonly destroyed: boolean }
}

/** Who listens to the Sentinels, and ends a connection when they name another primary. */
interface Detector {
  connector: { disconnect(): void }
  cleanup(): void
}

/**
 * Finds the primary by its Sentinels, with two corrections of ioredis. It listens to every Sentinel to hear of a failover,
 * and prints to the console whatever goes wrong with one; the others are there for that. And when it hears of the
 * failover after the connection broke by itself, while it looks for the next primary, it gives up looking, for ever.
 */
export class QuietSentinelConnector extends SentinelConnector {
  constructor(options: unknown) {
    super(options as SentinelConnectionOptions)
    const asking = this as unknown as Asking
    const connect = asking.connectToSentinel.bind(this)
    asking.connectToSentinel = (sentinel, more) => {
      const client = connect(sentinel, more)
      client.on('error', () => {})
      return client
    }

    let detector: Detector | null = null
    const leave = () => {
      if (asking.stream?.destroyed) detector?.cleanup()
      else this.disconnect()
    }
    Object.defineProperty(this, 'failoverDetector', {
      get: () => detector,
      set(next: Detector | null) {
        detector = next
        if (detector) detector.connector = { disconnect: leave }
      },
    })
  }
}
