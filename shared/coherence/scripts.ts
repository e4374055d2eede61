/** One typed function per script of `lua/`; nobody else knows the order of their arguments. Errors are Redis' own. */
import type { Redis } from 'ioredis'
import { asCount, asList, asText } from '../kernel/redis/replies.ts'
import { isUnknownScript, loadScript, runScript, type Script } from '../kernel/redis/script.ts'
import type { DurabilityMode, Member, Recorded, Stamp } from './coherence.ts'
import { maximumLeaseMs } from './constants.ts'
import { freshValue } from './fresh-value.ts'
import type { CoherenceKeys } from './keys.ts'
import type { Look } from './looks.ts'
import { watchServer } from './server-identity.ts'

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
  /** Has the script ask which server this is, whatever is known of the connection. */
  readonly verify?: boolean
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
  const server = watchServer(redis)

  return function run(
    name: string,
    names: readonly string[],
    args: readonly (string | number)[],
    options: { readonly verify?: boolean } = {},
  ): Promise<unknown> {
    let script = scripts.get(name)
    if (!script) scripts.set(name, (script = loadScript(lua, name)))
    const { sha1, source } = script
    const fresh = freshValue()
    const send = (run: (...rest: (string | number)[]) => Promise<unknown>) =>
      server.ask((runId) => {
        const { inc, seq } = position()
        const caller = `${durability} ${runId} ${inc} ${seq}`
        return run(names.length + 1, keys.domain, ...names, fresh, caller, ...args)
      }, options)
    // As runScript does, but each command says what is true when it is written: another connection may lead elsewhere.
    return send((...rest) => redis.evalsha(sha1, ...(rest as [number]))).catch((failure: unknown) => {
      if (!isUnknownScript(failure)) throw failure
      return send((...rest) => redis.eval(source, ...(rest as [number])))
    })
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

    async sync({ id, inc, applied, leaseMs, settled, order, verify = false }: SyncRequest): Promise<Stamp> {
      const args = [id, inc, applied, leaseMs, settled ? '1' : '0', order]
      const reply = asList(await run('sync', [], args, { verify }), 'sync')
      return { inc: asText(reply[0], 'sync'), seq: asCount(reply[1], 'sync') }
    },

    /** How far those of the members are that are still listed. */
    async acks(memberIds: readonly string[]): Promise<Look> {
      const [inc, seq, values] = asList(await run('acks', [], memberIds), 'acks')
      const found = asList(values, 'acks').flatMap((value, i) =>
        value === null ? [] : [parseMember(memberIds[i] ?? '', String(value))],
      )
      return { inc: asText(inc, 'acks'), seq: asCount(seq, 'acks'), members: found }
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

/** `[id, value, id, value …]` */
function parseMembers(reply: unknown, script: string): Member[] {
  const flat = asList(reply, script)
  const members: Member[] = []
  for (let i = 0; i + 1 < flat.length; i += 2) members.push(parseMember(String(flat[i]), String(flat[i + 1])))
  return members
}

/** `applied:lease:order`. A member that can't be read counts as the worst. */
function parseMember(id: string, value: string): Member {
  const match = /^(\d+):(\d+):\d+$/.exec(value)
  return {
    id,
    value,
    applied: match ? Number(match[1]) : -1,
    leaseMs: Math.min(Number(match?.[2]) || maximumLeaseMs, maximumLeaseMs),
  }
}
