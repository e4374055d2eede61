/** Who breaks things: workers, Redis, and the network in between. Each fault heals what it broke. */
import { setTimeout as wait } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { TestRedis } from '../support/redis.ts'
import type { TcpProxy } from '../support/tcp-proxy.ts'
import type { ChaosEvent } from './history.ts'
import type { Random } from './random.ts'
import type { ChaosTarget } from './target.ts'

export interface Battlefield {
  readonly target: ChaosTarget
  readonly redis: TestRedis
  readonly proxy: TcpProxy
  readonly history: ChaosEvent[]
  readonly random: Random
}

export type Fault = (field: Battlefield) => Promise<void>

/** A signal to a process that may have ended meanwhile. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (failure) {
    if ((failure as NodeJS.ErrnoException).code !== 'ESRCH') throw failure
  }
}

/** One command to Redis itself, past the proxy. */
async function command(redis: TestRedis, name: string, ...args: string[]): Promise<void> {
  const client = new Redis(redis.url, { commandTimeout: 2_000, retryStrategy: null, lazyConnect: true })
  client.on('error', () => {})
  await client
    .connect()
    .then(() => client.call(name, ...args))
    .catch(() => {})
  client.disconnect()
}

async function hang({ target, random }: Battlefield, ms = 200 + random.below(2_800)): Promise<void> {
  const pid = random.pick(target.pids())
  if (pid === undefined) return
  signal(pid, 'SIGSTOP')
  await wait(ms)
  signal(pid, 'SIGCONT')
}

export const workerFaults: Record<string, Fault> = {
  'a worker hangs': (field) => hang(field),
  'two workers hang': async (field) => void (await Promise.all([hang(field), hang(field)])),
  async 'a worker is killed'({ target, random }) {
    const pid = random.pick(target.pids())
    if (pid !== undefined) signal(pid, 'SIGKILL')
    await wait(500)
  },
  /** Nobody hears the messages, one worker hangs, and comes back while Redis is too slow to tell it what it missed. */
  async 'a worker is cut off and hangs'(field) {
    const { proxy, random } = field
    proxy.swallow('subscriber')
    const hanging = hang(field, 1_600 + random.below(1_200))
    await wait(1_500)
    proxy.delayReplies('commands', 300)
    await hanging
    await wait(300)
    proxy.heal('commands')
    proxy.heal('subscriber')
    proxy.cut('subscriber')
  },
  async 'a worker stutters'(field) {
    for (let i = 0; i < 5; i++) {
      await hang(field, 50 + field.random.below(150))
      await wait(50)
    }
  },
}

export const redisFaults: Record<string, Fault> = {
  'subscriptions are closed': ({ redis }) => command(redis, 'CLIENT', 'KILL', 'TYPE', 'pubsub'),
  'connections are closed': ({ redis }) => command(redis, 'CLIENT', 'KILL', 'TYPE', 'normal'),
  async 'messages disappear'({ proxy, random }) {
    proxy.swallow('subscriber')
    await wait(300 + random.below(2_500))
    proxy.heal('subscriber')
  },
  async 'replies are late'({ proxy, random }) {
    proxy.delayReplies('commands', 50 + random.below(350))
    await wait(1_500)
    proxy.heal('commands')
  },
  async 'messages are late'({ proxy, random }) {
    proxy.delayReplies('subscriber', 50 + random.below(600))
    await wait(1_500)
    proxy.heal('subscriber')
  },
  async 'commands disappear'({ proxy, random }) {
    proxy.swallow('commands')
    await wait(100 + random.below(700))
    proxy.heal('commands')
  },
  async 'the network is cut'({ proxy }) {
    proxy.cut('commands')
    proxy.cut('subscriber')
  },
  async 'Redis freezes'({ redis, random }) {
    redis.freeze()
    await wait(200 + random.below(1_500))
    redis.thaw()
  },
  async 'Redis is killed'({ redis, random }) {
    await redis.kill('SIGKILL')
    await wait(random.below(600))
    await redis.restart()
  },
  async 'everything is deleted'({ redis, history }) {
    const sentAt = performance.now()
    await command(redis, 'FLUSHALL')
    history.push({ kind: 'flush', sentAt, receivedAt: performance.now() })
  },
}

/**
 * Breaks things in these ways, several at a time, until `isOver`, and leaves everything healed. Resolves with what
 * was done how often.
 */
export async function torment(
  field: Battlefield,
  ways: readonly Readonly<Record<string, Fault>>[],
  isOver: () => boolean,
): Promise<Map<string, number>> {
  const done = new Map<string, number>()

  async function oneAfterTheOther(faults: Readonly<Record<string, Fault>>): Promise<void> {
    let left: string[] = []
    while (!isOver()) {
      // Each of them comes in turn, in an order that differs from round to round.
      if (left.length === 0) left = Object.keys(faults)
      const [name] = left.splice(field.random.below(left.length), 1)
      await wait(300 + field.random.below(600))
      await faults[name!]!(field)
      done.set(name!, (done.get(name!) ?? 0) + 1)
    }
  }

  await Promise.all(ways.map(oneAfterTheOther))
  return done
}
