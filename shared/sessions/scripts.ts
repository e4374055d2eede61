/**
 * One typed function per script of `lua/`; nobody else knows the order of their arguments. Errors are Redis' own.
 */
import type { Redis } from 'ioredis'
import { loadScript, runScript, type Script } from '../kernel/redis/script.ts'
import { maximumLeaseMs } from '../coherence/constants.ts'
import type { SessionKeys } from './keys.ts'
import {
  asCount,
  asList,
  asText,
  dataFieldPrefix,
  parseData,
  parseDescription,
  parseMembers,
  type Description,
  type Member,
} from './replies.ts'
import type { Device, LoginTicket, SessionData, Subject } from './sessions.ts'
import { freshValue } from './token.ts'

/**
 * What a failure of Redis does to sessions: they go on, nobody is signed in any more, or they go on where the data
 * nodes can show that nothing was lost.
 */
export type DurabilityMode = 'keep' | 'fence' | 'failover'

/** Every reply tells of which incarnation it speaks, and up to which invalidation. */
export interface Stamp {
  readonly inc: string
  readonly seq: number
}

/** A revocation as Redis recorded it: what must be acknowledged, and by whom. */
export interface Recorded extends Stamp {
  /** Some member has known this incarnation for a full lease: nobody holds anything of an older one. */
  readonly settled: boolean
  readonly members: readonly Member[]
  /** Sessions that it ended. */
  readonly count: number
}

export type Loaded =
  | (Stamp & { readonly state: 'valid'; readonly data: SessionData } & Description)
  | (Stamp & { readonly state: 'absent' | 'corrupt' })

export type CreateReply =
  | ({ readonly outcome: 'created' } & Recorded & Description)
  | { readonly outcome: 'superseded' | 'disabled'; readonly inc: string }

export interface Creation {
  readonly hash: string
  readonly sessionId: string
  readonly ticket: LoginTicket
  readonly subject: Subject
  readonly device: Device
  readonly remember: boolean
  readonly absoluteMs: number
  readonly endOthers: boolean
}

export interface ScriptSettings {
  readonly keys: SessionKeys
  readonly durability: DurabilityMode
  readonly idleMs: number
  /** Use is recorded at most once in this time. */
  readonly touchEveryMs: number
  /** The longest that any session may live: what depends on sessions must outlive it. */
  readonly longestMs: number
  readonly maxPerUser: number
}

export type SessionScripts = ReturnType<typeof createSessionScripts>

const lua = new URL('./lua/', import.meta.url)
const dayMs = 86_400_000

export function createSessionScripts(redis: Redis, settings: ScriptSettings) {
  const { keys, durability } = settings
  const scripts = new Map<string, Script>()
  const lifetimeMs = settings.longestMs + dayMs

  function run(
    name: string,
    names: readonly string[],
    args: readonly (string | number)[],
    fresh: string = freshValue(),
  ): Promise<unknown> {
    let script = scripts.get(name)
    if (!script) scripts.set(name, (script = loadScript(lua, name)))
    return runScript(redis, script, [keys.domain, ...names], [fresh, durability, ...args])
  }

  function parseRecorded(reply: unknown, script: string): Recorded {
    const [inc, seq, settled, members, count] = asList(reply, script)
    return {
      inc: asText(inc, script),
      seq: asCount(seq, script),
      settled: settled === '1',
      members: parseMembers(members, script, maximumLeaseMs),
      count: asCount(count, script),
    }
  }

  return {
    async load(hash: string, withData: boolean): Promise<Loaded> {
      const reply = await run(
        'load',
        [keys.session(hash)],
        [
          keys.userPrefix,
          keys.indexPrefix,
          hash,
          settings.idleMs,
          settings.touchEveryMs,
          withData ? '1' : '0',
        ],
      )
      const [inc, seq, found, fields] = asList(reply, 'load')
      const stamp: Stamp = { inc: asText(inc, 'load'), seq: asCount(seq, 'load') }
      if (found === null || found === 'corrupt') return { ...stamp, state: found ?? 'absent' }
      const description = parseDescription(found)
      const data = withData ? parseData(fields) : {}
      if (!description || !data) return { ...stamp, state: 'corrupt' }
      return { ...stamp, state: 'valid', data, ...description }
    },

    /** Sets and removes data fields (by their own names) and hash fields of the session itself. */
    async save(
      hash: string,
      changes: { data?: Readonly<Record<string, unknown>>; label?: string | null },
    ): Promise<'saved' | 'gone'> {
      const set: string[] = []
      const removed: string[] = []
      const write = (field: string, value: string | null) =>
        value === null ? removed.push(field) : set.push(field, value)
      for (const [name, value] of Object.entries(changes.data ?? {})) {
        write(dataFieldPrefix + name, value === null || value === undefined ? null : JSON.stringify(value))
      }
      if (changes.label !== undefined) write('label', changes.label)
      const reply = await run(
        'save',
        [keys.session(hash)],
        [keys.userPrefix, keys.indexPrefix, hash, settings.idleMs, set.length / 2, ...set, ...removed],
      )
      return asText(asList(reply, 'save')[1], 'save') === 'saved' ? 'saved' : 'gone'
    },

    /** Milliseconds left of each session, 0 for one that is gone. */
    async touch(hashes: readonly string[]): Promise<number[]> {
      const reply = await run(
        'touch',
        hashes.map((hash) => keys.session(hash)),
        [keys.userPrefix, keys.indexPrefix, settings.idleMs, ...hashes],
      )
      return asList(reply, 'touch').map((left) => asCount(left, 'touch'))
    },

    async prepare(userId: string): Promise<LoginTicket> {
      const reply = await run('prepare', [keys.user(userId)], [lifetimeMs])
      const [incarnation, generation] = asList(reply, 'prepare').map((part) => asText(part, 'prepare'))
      return { userId, incarnation: incarnation!, generation: generation! }
    },

    async create(creation: Creation): Promise<CreateReply> {
      const { ticket, subject, device } = creation
      const reply = await run(
        'create',
        [keys.user(ticket.userId), keys.index(ticket.userId), keys.session(creation.hash)],
        [
          keys.sessionPrefix,
          keys.channel,
          ticket.incarnation,
          ticket.generation,
          creation.hash,
          creation.sessionId,
          ticket.userId,
          settings.idleMs,
          creation.absoluteMs,
          settings.maxPerUser,
          creation.endOthers ? '1' : '0',
          lifetimeMs,
          ...subjectArguments(subject),
          creation.remember ? '1' : '0',
          device.label ?? '',
          device.userAgent ?? '',
          device.ip ?? '',
        ],
      )
      const [inc, outcome, seq, settled, members, count, description] = asList(reply, 'create')
      if (outcome === 'superseded' || outcome === 'disabled') return { outcome, inc: asText(inc, 'create') }
      const described = parseDescription(description)
      if (!described) return { outcome: 'superseded', inc: asText(inc, 'create') }
      return {
        outcome: 'created',
        ...parseRecorded([inc, seq, settled, members, count], 'create'),
        ...described,
      }
    },

    async list(userId: string): Promise<Description[]> {
      const reply = await run(
        'list',
        [keys.user(userId), keys.index(userId)],
        [keys.sessionPrefix, keys.userPrefix],
      )
      return asList(reply, 'list').flatMap((item) => parseDescription(item) ?? [])
    },

    async revokeSession(hash: string): Promise<Recorded> {
      const args = [keys.userPrefix, keys.indexPrefix, keys.channel, hash]
      return parseRecorded(await run('revoke_session', [keys.session(hash)], args), 'revoke_session')
    },

    async revokeById(userId: string, sessionId: string): Promise<Recorded> {
      const args = [keys.sessionPrefix, keys.userPrefix, keys.channel, userId, sessionId]
      const names = [keys.user(userId), keys.index(userId)]
      return parseRecorded(await run('revoke_by_id', names, args), 'revoke_by_id')
    },

    /** `keep` goes on under the hash `become` (the same: under its own token). */
    async revokeUser(
      userId: string,
      generation: string,
      keep?: { hash: string; become: string },
    ): Promise<Recorded & { readonly kept: Description | null }> {
      const names = [keys.user(userId), keys.index(userId)]
      if (keep) names.push(keys.session(keep.hash), keys.session(keep.become))
      const args = [keys.userPrefix, keys.channel, userId, lifetimeMs, generation, keep?.become ?? '']
      const reply = asList(await run('revoke_user', names, args), 'revoke_user')
      return { ...parseRecorded(reply, 'revoke_user'), kept: parseDescription(reply[5]) }
    },

    /** `fresh` becomes the user's generation when disabled: the same value for each attempt. */
    async updateSubject(subject: Subject, disabled: boolean, fresh: string): Promise<Recorded> {
      const args = [keys.channel, subject.id, lifetimeMs, ...subjectArguments(subject), disabled ? '1' : '0']
      const names = [keys.user(subject.id), keys.index(subject.id)]
      return parseRecorded(await run('update_subject', names, args, fresh), 'update_subject')
    },

    async announce(kind: string, text: string): Promise<Recorded> {
      return parseRecorded(await run('announce', [], [keys.channel, kind, text]), 'announce')
    },

    async sync(member: {
      id: string
      inc: string
      applied: number
      leaseMs: number
      settled: boolean
      /** Grows with each sync of this member. */
      order: number
    }): Promise<Stamp> {
      const { id, inc, applied, leaseMs, settled, order } = member
      const args = [id, inc, applied, leaseMs, settled ? '1' : '0', order]
      const reply = asList(await run('sync', [], args), 'sync')
      return { inc: asText(reply[0], 'sync'), seq: asCount(reply[1], 'sync') }
    },

    async acks(): Promise<{ inc: string; members: Member[] }> {
      const [inc, members] = asList(await run('acks', [], []), 'acks')
      return { inc: asText(inc, 'acks'), members: parseMembers(members, 'acks', maximumLeaseMs) }
    },

    /** Forgets the member, only if its entry is still the one that was seen. */
    async expel(inc: string, member: Member): Promise<void> {
      const script = scripts.get('expel') ?? loadScript(lua, 'expel')
      scripts.set('expel', script)
      await runScript(redis, script, [keys.domain], [inc, member.id, member.value])
    },

    /** A member that holds nothing any more takes itself off the list. */
    async leave(memberId: string): Promise<void> {
      await redis.hdel(keys.domain, `w:${memberId}`)
    },

    /** Ends every session there is by beginning a new epoch. */
    async fence(): Promise<void> {
      await run('fence', [], [])
    },
  }
}

function subjectArguments(subject: Subject): (string | number)[] {
  return [subject.version, JSON.stringify(subject.roles), JSON.stringify(subject.profile)]
}
