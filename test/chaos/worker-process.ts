/**
 * One worker of the chaos test as a process of its own: the sessions behind the few HTTP routes that the clients
 * use, with the paths and the answers of the real server. Told what to be by its parent, and ends with it.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Unavailable } from '../../shared/kernel/errors.ts'
import { group } from '../../shared/kernel/lifecycle.ts'
import type { RedisTarget } from '../../shared/config/config.ts'
import { openRedis, redisService } from '../../shared/kernel/redis/connections.ts'
import { openFailover } from '../../shared/kernel/redis/failover.ts'
import { openCoherence, type DurabilityMode } from '../../shared/coherence/index.ts'
import { createSessions } from '../../shared/sessions/create-sessions.ts'
import { createDeliveries, type Deliveries } from '../../shared/live/delivery.ts'
import { createSessionWatch, type SessionWatch } from '../../shared/live/session-watch.ts'
import { machineMs } from './shared-clock.ts'
import { createFlawedSessions, type Flaw, type ServedSessions, type StreamFlaw } from './flawed-sessions.ts'

export interface WorkerOrders {
  readonly redisUrl: string
  readonly leaseMs: number
  readonly flaw: Flaw | null
  readonly streamFlaw?: StreamFlaw | null
  /** `keep` unless said otherwise. */
  readonly durability?: DurabilityMode
  /** Mode failover: data nodes of the shard. */
  readonly dataNodes?: number
}

interface Answer {
  readonly status: number
  readonly body?: unknown
}

async function serve(orders: WorkerOrders): Promise<void> {
  const { redisUrl, leaseMs, flaw, streamFlaw = null, durability = 'keep', dataNodes } = orders
  const target = targetOf(redisUrl)
  const redis = openRedis(target, 'commands')
  const subscriber = openRedis(target, 'subscriber')
  const failover = durability === 'failover' ? openFailover(target, dataNodes ?? 0) : undefined
  // A flawed worker is its own member; the real sessions that it has beside it must not be waited for.
  const coherence = openCoherence({
    redis,
    ...(flaw ? {} : { subscriber }),
    durability,
    failover,
    leaseMs,
  })
  const real = createSessions({
    redis,
    coherence,
    // Made at once: a test need not wait for one.
    tokenKey: 'k'.repeat(43),
    cache: flaw ? 'none' : 'coherent',
    idleMs: 600_000,
    absoluteMs: 3_600_000,
    rememberAbsoluteMs: 3_600_000,
    maxPerUser: 1_000,
    onInvalidated(ended) {
      if (streamFlaw !== 'nothing held back') return watch.invalidated(ended)
      setTimeout(() => void watch.invalidated(ended), 300)
    },
  })
  const leaseOk = streamFlaw === 'no lease at each delivery' ? () => true : coherence.leaseOk
  const watch = createSessionWatch({ sessions: real, coherence: { leaseOk } })
  const deliveries = createDeliveries()
  const sessions = flaw ? createFlawedSessions(flaw, real, { redis, subscriber, leaseMs }) : real
  const connections = [redisService(redis), redisService(subscriber), ...(failover ? [failover] : [])]
  await group([...connections, coherence, sessions]).start()

  const server = createServer(async (request, response) => {
    if (request.url === '/feed') {
      return feed(request, response, { sessions, watch, deliveries }).catch(() => response.destroy())
    }
    const { status, body } = await answer(sessions, request).catch(refusal)
    response.writeHead(status, { 'content-type': 'application/json', connection: 'close' })
    response.end(body === undefined ? undefined : JSON.stringify(body))
  })
  server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
}

interface FeedParts {
  readonly sessions: ServedSessions
  readonly watch: SessionWatch
  readonly deliveries: Deliveries
}

/** Sends the time of the machine, from the parts that streams of the real server are made of. */
async function feed(request: IncomingMessage, response: ServerResponse, parts: FeedParts): Promise<void> {
  const token = tokenOf(request)
  const identity = await parts.sessions.authenticate(token)
  if (!identity) return void response.writeHead(401).end()
  let stamp = 0
  let ended = false
  const watched = parts.watch.watch({
    token,
    userId: identity.user.id,
    allows: () => true,
    ended() {
      ended = true
      delivery.end()
      if (response.headersSent) response.end('event: session-ended\ndata: {}\n\n')
    },
  })
  const delivery = parts.deliveries.open({
    wire: {
      write: () => void response.write(`data: ${stamp}\n\n`),
      get waitingBytes() {
        return response.writableLength
      },
    },
    mayDeliver() {
      // The check is the moment of the delivery: what follows it is one turn of the event loop.
      stamp = machineMs()
      return watched.mayDeliver()
    },
    onSlow: () => response.destroy(),
  })
  response.once('close', () => {
    clearInterval(timer)
    delivery.end()
    watched.release()
  })
  const timer = setInterval(() => delivery.push('data: '), feedEveryMs)
  await watched.known
  if (ended) return void response.writeHead(401).end()
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.flushHeaders()
}

const feedEveryMs = 40

function tokenOf({ headers }: IncomingMessage): string {
  return /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? ''
}

function targetOf(redisUrl: string): Exclude<RedisTarget, { kind: 'embedded' }> {
  const kind = /^rediss?\+(sentinel|cluster):/.exec(redisUrl)?.[1] as 'sentinel' | 'cluster' | undefined
  return { kind: kind ?? 'single', url: redisUrl }
}

async function answer(sessions: ServedSessions, request: IncomingMessage): Promise<Answer> {
  const token = tokenOf(request)
  const body = request.method === 'GET' ? null : await read(request)
  switch (`${request.method} ${request.url}`) {
    case 'GET /api/v1/auth/me': {
      const found = sessions.authenticate(token)
      const identity = found instanceof Promise ? await found : found
      return identity ? { status: 200, body: { user: identity.user } } : { status: 401 }
    }
    case 'PATCH /api/v1/session':
      return (await sessions.saveData(token, { note: body?.note })) === 'saved'
        ? { status: 200 }
        : { status: 401 }
    case 'POST /api/v1/auth/login': {
      const id = String(body?.email)
      const subject = { id, roles: ['user'], version: 1, profile: { email: id } }
      const created = await sessions.create(await sessions.prepareLogin(id), { subject })
      return created.outcome === 'created'
        ? { status: 200, body: { token: created.token } }
        : { status: 503, body: { type: created.outcome } }
    }
    case 'POST /api/v1/auth/logout': {
      const { outcome } = await sessions.revoke(token)
      return { status: outcome === 'unconfirmed' ? 503 : 204 }
    }
    case 'POST /api/v1/auth/logout-all': {
      const identity = await sessions.authenticate(token)
      if (!identity) return { status: 401 }
      const { outcome } = await sessions.revokeUser(identity.user.id)
      return { status: outcome === 'unconfirmed' ? 503 : 200 }
    }
    case 'POST /stall': {
      const end = performance.now() + Number(body?.ms)
      while (performance.now() < end);
      return { status: 204 }
    }
    default:
      return { status: 404 }
  }
}

async function read(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return JSON.parse(Buffer.concat(chunks).toString() || '{}') as Record<string, unknown>
}

function refusal(cause: unknown): Answer {
  return { status: cause instanceof Unavailable ? 503 : 500, body: { detail: String(cause) } }
}

// While Redis is away it can't start; its parent tries again.
process.once('message', (orders) => serve(orders as WorkerOrders).catch(() => process.exit(1)))
process.once('disconnect', () => process.exit(0))
