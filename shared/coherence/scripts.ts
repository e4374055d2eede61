/** One typed function per script of `lua/`; nobody else knows the order of their arguments. Errors are Redis' own. */
import type { Redis } from 'ioredis'
import { asCount, asList, asText } from '../kernel/redis/replies.ts'
import { loadScript, runScript, type Script } from '../kernel/redis/script.ts'
import type { DurabilityMode, Member, Recorded, Stamp } from './coherence.ts'
import { maximumLeaseMs } from './constants.ts'
import { freshValue } from './fresh-value.ts'
import type { CoherenceKeys } from './keys.ts'

export interface DomainSettings {
  readonly keys: Pick<CoherenceKeys, 'domain' | 'channel'>
  readonly durability: DurabilityMode
  /** The furthest that this process has seen the domain: Redis must not fall behind it. */
  readonly position?: () => Stamp
}

/** One sync of a member. */
export interface SyncRequest {
  readonly id: string
  /** The incarnation that `applied` speaks of. */
  readonly inc: string
  readonly applied: number
  readonly leaseMs: number
  readonly settled: boolean
  /** Grows with each sync of this member. */
  readonly order: number
}

export type CoherenceScripts = ReturnType<typeof createCoherenceScripts>

/**
 * Runs a script that takes in `domain.lua`: the domain is its first key, a fresh value and what the caller knows are its
 * first arguments. The fresh value is never used twice.
 */
export function createDomainRunner(
  redis: Redis,
  lua: URL,
  { keys, durability, position = nowhere }: DomainSettings,
) {
  const scripts = new Map<string, Script>()

  return function run(
    name: string,
    names: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown> {
    let script = scripts.get(name)
    if (!script) scripts.set(name, (script = loadScript(lua, name)))
    const { inc, seq } = position()
    return runScript(
      redis,
      script,
      [keys.domain, ...names],
      [freshValue(), `${durability} ${inc} ${seq}`, ...args],
    )
  }
}

function nowhere(): Stamp {
  return { inc: '', seq: 0 }
}

export function createCoherenceScripts(redis: Redis, settings: DomainSettings) {
  const { keys } = settings
  const lua = new URL('./lua/', import.meta.url)
  const run = createDomainRunner(redis, lua, settings)
  const [expel, leave] = [loadScript(lua, 'expel'), loadScript(lua, 'leave')]

  return {
    async announce(kind: string, text: string): Promise<Recorded> {
      return parseRecorded(await run('announce', [], [keys.channel, kind, text]), 'announce')
    },

    async sync({ id, inc, applied, leaseMs, settled, order }: SyncRequest): Promise<Stamp> {
      const args = [id, inc, applied, leaseMs, settled ? '1' : '0', order]
      const reply = asList(await run('sync', [], args), 'sync')
      return { inc: asText(reply[0], 'sync'), seq: asCount(reply[1], 'sync') }
    },

    async acks(): Promise<Stamp & { members: Member[] }> {
      const [inc, seq, members] = asList(await run('acks', [], []), 'acks')
      return { inc: asText(inc, 'acks'), seq: asCount(seq, 'acks'), members: parseMembers(members, 'acks') }
    },

    /** Forgets the member, only if its entry is still the one that was seen. */
    async expel(inc: string, member: Member): Promise<void> {
      await runScript(redis, expel, [keys.domain], [inc, member.id, member.value])
    },

    /** Takes a member off the list that holds nothing any more. */
    async leave(memberId: string): Promise<void> {
      await runScript(redis, leave, [keys.domain], [memberId])
    },

    /** Begins a new incarnation and a new epoch. */
    async fence(): Promise<void> {
      await run('fence', [], [])
    },
  }
}

/** `{ inc, seq, settled, members, count }`, with which every script that announces begins its reply. */
export function parseRecorded(reply: unknown, script: string): Recorded {
  const [inc, seq, settled, members, count] = asList(reply, script)
  return {
    inc: asText(inc, script),
    seq: asCount(seq, script),
    settled: settled === '1',
    members: parseMembers(members, script),
    count: asCount(count, script),
  }
}

/** `[id, value, id, value …]`, the values being `applied:lease:order`. A member that can't be read counts as the worst. */
function parseMembers(reply: unknown, script: string): Member[] {
  const flat = asList(reply, script)
  const members: Member[] = []
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const value = String(flat[i + 1])
    const match = /^(\d+):(\d+):\d+$/.exec(value)
    members.push({
      id: String(flat[i]),
      value,
      applied: match ? Number(match[1]) : -1,
      leaseMs: Math.min(Number(match?.[2]) || maximumLeaseMs, maximumLeaseMs),
    })
  }
  return members
}
