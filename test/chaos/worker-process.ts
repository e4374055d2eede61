/**
 * One worker of the chaos test as a process of its own: the sessions behind the few HTTP routes that the clients
 * use, with the paths and the answers of the real server. Told what to be by its parent, and ends with it.
 */
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Unavailable } from '../../shared/kernel/errors.ts'
import { group } from '../../shared/kernel/lifecycle.ts'
import type { RedisTarget } from '../../shared/config/config.ts'
import { openRedis, redisService } from '../../shared/kernel/redis/connections.ts'
import { openFailover } from '../../shared/kernel/redis/failover.ts'
import { openCoherence, type DurabilityMode } from '../../shared/coherence/index.ts'
import { createSessions } from '../../shared/sessions/create-sessions.ts'
import { createFlawedSessions, type Flaw, type ServedSessions } from './flawed-sessions.ts'

export interface WorkerOrders {
  readonly redisUrl: string
  readonly leaseMs: number
  readonly flaw: Flaw | null
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
  const { redisUrl, leaseMs, flaw, durability = 'keep', dataNodes } = orders
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
    cache: flaw ? 'none' : 'coherent',
    idleMs: 600_000,
    absoluteMs: 3_600_000,
    rememberAbsoluteMs: 3_600_000,
    maxPerUser: 1_000,
  })
  const sessions = flaw ? createFlawedSessions(flaw, real, { redis, subscriber, leaseMs }) : real
  const connections = [redisService(redis), redisService(subscriber), ...(failover ? [failover] : [])]
  await group([...connections, coherence, sessions]).start()

  const server = createServer(async (request, response) => {
    const { status, body } = await answer(sessions, request).catch(refusal)
    response.writeHead(status, { 'content-type': 'application/json', connection: 'close' })
    response.end(body === undefined ? undefined : JSON.stringify(body))
  })
  server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
}

function targetOf(redisUrl: string): Exclude<RedisTarget, { kind: 'embedded' }> {
  const kind = /^rediss?\+(sentinel|cluster):/.exec(redisUrl)?.[1] as 'sentinel' | 'cluster' | undefined
  return { kind: kind ?? 'single', url: redisUrl }
}

async function answer(sessions: ServedSessions, request: IncomingMessage): Promise<Answer> {
  const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
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
