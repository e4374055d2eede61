/**
 * Whether scripts like ours run on this Redis, found out by running some. Services refuse commands, inside scripts or
 * everywhere, and no list of them stays true; a server that found out later would be ready and answer every login
 * with 503.
 */
import { randomBytes } from 'node:crypto'
import type { Redis } from 'ioredis'
import { coherenceKeys, type DurabilityMode } from '../coherence/index.ts'
import { messageOf } from '../kernel/errors.ts'
import type { RedisIdentity } from '../kernel/redis/target.ts'
import { RedisUnreachable } from './redis-facts.ts'
import { variables, type Wording } from './wording.ts'

export interface ProbeOptions {
  readonly redis: Redis
  /** For pub/sub alone. */
  readonly subscriber: Redis
  /** The address as it may be shown. */
  readonly place: string
  readonly identity: RedisIdentity
  readonly durability: DurabilityMode
  readonly wording?: Wording
}

interface Step {
  /** What fails without it, in the words of the person who must set something. */
  readonly need: string
  readonly remedy: string
  /** Without it the steps after it would only fail for the same reason. */
  readonly opensRest?: boolean
  run(): Promise<void>
}

/** How long a message may take to be heard. */
const hearingMs = 2_000

/**
 * What does not work there, each with what to set; empty: all of it does. Nothing is written. Rejects when Redis went
 * away meanwhile, or can't decide now.
 */
export async function probeRedis(options: ProbeOptions): Promise<string[]> {
  const { wording = variables } = options
  const problems: string[] = []
  for (const { need, remedy, run, opensRest } of steps(options)) {
    try {
      await run()
    } catch (cause) {
      // It may not write at the moment, which is another matter, and decides nothing here.
      if (messageOf(cause).startsWith('MISCONF')) continue
      if (!isRefusal(cause)) throw new RedisUnreachable(options.place, cause, wording)
      problems.push(`${wording.redis(options.place)} ${need} (${reason(cause)}). ${remedy}`)
      if (opensRest) break
    }
  }
  return problems
}

function steps({ redis, subscriber, identity, durability, wording = variables }: ProbeOptions): Step[] {
  const { at } = coherenceKeys()
  const word = randomBytes(9).toString('base64url')
  const [key, channel] = [at(`probe:${word}`), at(`probe-channel:${word}`)]
  const script = (body: string, ...args: string[]) =>
    redis.eval(`#!lua flags=allow-oom\n${body}`, 1, key, ...args)

  const flags: Step = {
    need: 'does not run scripts with flags, which let a logout through when its memory is full',
    opensRest: true,
    remedy: 'Use Redis 7.0 or Valkey 7.2 or later, and a user that may run EVAL and EVALSHA (+@scripting).',
    async run() {
      await script('return 1')
    },
  }
  const ownName: Step = {
    need: 'does not let a script ask for its run id (INFO server), by which a restart or a failover is noticed',
    remedy: `Allow the user +info. Where a service forbids it inside scripts only, ${wording.askOnConnection}.`,
    async run() {
      expectRunId(await script("return redis.call('INFO', 'server')"))
    },
  }
  const connectionName: Step = {
    need: 'does not tell its run id (INFO server), by which a restart or a failover is noticed',
    remedy: 'Allow the user +info; without a run id, sessions are not safe there.',
    async run() {
      expectRunId(await redis.info('server'))
    },
  }
  const computedKey: Step = {
    need: 'does not let a script use a key whose name it computes',
    remedy:
      'Allow the user all keys (~*). On Dragonfly set --default_lua_flags=allow-undeclared-keys; a service that ' +
      "can't allow it can't be used.",
    async run() {
      await script("return redis.call('EXISTS', KEYS[1] .. ':' .. ARGV[1])", word)
    },
  }
  const hearing: Step = {
    need: 'does not carry messages that a script publishes',
    remedy: 'Allow the user all channels (&*), +publish and +subscribe.',
    run: () =>
      hear(subscriber, channel, word, () =>
        script("return redis.call('PUBLISH', ARGV[1], ARGV[2])", channel, word),
      ),
  }
  const waiting: Step = {
    need: `does not confirm writes (WAIT), on which ${wording.durability('failover')} depends`,
    remedy: `Allow the user +wait, or set ${wording.durability('fence')}.`,
    async run() {
      await redis.wait(0, 1)
    },
  }
  return [
    flags,
    identity === 'script' ? ownName : connectionName,
    computedKey,
    hearing,
    ...(durability === 'failover' ? [waiting] : []),
  ]
}

/** It answered, and not as it has to. */
class Unusable extends Error {}

function isRefusal(cause: unknown): boolean {
  if (cause instanceof Unusable) return true
  const passing = /^(LOADING|BUSY|CLUSTERDOWN|MASTERDOWN|TRYAGAIN|READONLY)/
  return cause instanceof Error && cause.name === 'ReplyError' && !passing.test(cause.message)
}

function expectRunId(info: unknown): void {
  if (!/^run_id:[0-9a-f]+/m.test(String(info))) throw new Unusable('the answer has no run_id')
}

async function hear(
  subscriber: Redis,
  channel: string,
  word: string,
  publish: () => Promise<unknown>,
): Promise<void> {
  let late: NodeJS.Timeout | undefined
  const heard = new Promise<void>((resolve, reject) => {
    subscriber.on('message', (from: string, text: string) => {
      if (from === channel && text === word) resolve()
    })
    late = setTimeout(() => reject(new Unusable('it was not heard')), hearingMs)
  })
  heard.catch(() => {})
  try {
    await subscriber.subscribe(channel)
    await publish()
    await heard
  } finally {
    clearTimeout(late)
    subscriber.removeAllListeners('message')
    await subscriber.unsubscribe(channel).catch(() => {})
  }
}

/** What Redis said, without the number of the script and the name of the user. */
function reason(cause: unknown): string {
  return messageOf(cause)
    .replace(/ script: .*$/s, '')
    .slice(0, 200)
}
