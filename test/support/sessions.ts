import type { RedisTarget } from '../../shared/config/config.ts'
import { openRedis, redisService } from '../../shared/kernel/redis/connections.ts'
import { openCoherence, type Coherence, type CoherenceOptions } from '../../shared/coherence/index.ts'
import { deadlineIn, group } from '../../shared/kernel/lifecycle.ts'
import {
  createSessions,
  type SessionOptions,
  type SessionService,
} from '../../shared/sessions/create-sessions.ts'
import type { Identity, Subject } from '../../shared/sessions/sessions.ts'

export interface TestWorker {
  readonly sessions: SessionService
  readonly coherence: Coherence
  stop(): Promise<void>
}

export const alice: Subject = {
  id: 'alice',
  roles: ['user'],
  version: 1,
  profile: { email: 'alice@example.com', name: 'Alice' },
}

/** The sessions part as one worker runs it, with connections of its own, here in the test's process. */
export async function startSessionWorker(
  redisUrl: string | Exclude<RedisTarget, { kind: 'embedded' }>,
  overrides: Partial<SessionOptions & CoherenceOptions> = {},
): Promise<TestWorker> {
  const target = typeof redisUrl === 'string' ? ({ kind: 'single', url: redisUrl } as const) : redisUrl
  const redis = openRedis(target, 'commands')
  const subscriber = openRedis(target, 'subscriber')
  const coherence = openCoherence({ redis, subscriber, durability: 'keep', leaseMs: 1_000, ...overrides })
  const sessions = createSessions({
    redis,
    coherence,
    // Made at once: a test need not wait for one.
    tokenKey: 'k'.repeat(43),
    cache: 'coherent',
    idleMs: 60_000,
    absoluteMs: 600_000,
    rememberAbsoluteMs: 3_600_000,
    maxPerUser: 20,
    ...overrides,
  })
  const service = group([redisService(redis), redisService(subscriber), coherence, sessions])
  await service.start()
  return { sessions, coherence, stop: () => service.stop(deadlineIn(2_000)) }
}

/** Signs `subject` in and gives the token; throws when no session was created. */
export async function signIn(
  { sessions }: TestWorker,
  subject: Subject = alice,
  login: { remember?: boolean; endOthers?: boolean; label?: string } = {},
): Promise<{ token: string; identity: Identity }> {
  const created = await sessions.create(await sessions.prepareLogin(subject.id), {
    subject,
    remember: login.remember,
    endOthers: login.endOthers,
    device: { label: login.label },
  })
  if (created.outcome !== 'created') throw new Error(`sign-in ended as ${created.outcome}`)
  return created
}
