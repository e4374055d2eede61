/**
 * One typed function per script of `lua/`; no one else knows the order of their arguments. Errors are Redis' own.
 */
import type { Redis } from 'ioredis'
import {
  createCoherenceScripts,
  createDomainRunner,
  parseRecorded,
  type Recorded,
  type Stamp,
} from '../coherence/index.ts'
import { asCount, asList, asText } from '../kernel/redis/replies.ts'
import { sessionKeys } from './keys.ts'
import { dataFieldPrefix, parseData, parseDescription, type Description } from './replies.ts'
import { dataBoundOf, lifetimeOf, type ScriptSettings } from './script-settings.ts'
import type { Device, LoginTicket, SessionData, Subject } from './sessions.ts'

export type Loaded =
  | (Stamp & { readonly state: 'valid'; readonly data: SessionData } & Description)
  | (Stamp & { readonly state: 'absent' | 'corrupt' })

export type CreateReply =
  | ({ readonly outcome: 'created'; readonly announced: boolean } & Recorded & Description)
  | (Stamp & { readonly outcome: 'superseded' | 'disabled' })

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

export type SessionScripts = ReturnType<typeof createSessionScripts>

const lua = new URL('./lua/', import.meta.url)
/** How long someone who was not answered may take to ask again. */
const unansweredMs = 3_600_000
const listedAtOnce = 50

export function createSessionScripts(redis: Redis, settings: ScriptSettings) {
  const { channel } = settings.keys
  const keys = sessionKeys(settings.keys)
  const run = createDomainRunner(redis, lua, settings)
  const { announce } = createCoherenceScripts(redis, settings)
  const mostDataBytes = dataBoundOf(settings)
  const lifetimeMs = lifetimeOf(settings)

  return {
    /** Counts as use of the session, unless `use` is false. */
    async load(hash: string, withData: boolean, use = true): Promise<Loaded> {
      const reply = await run(
        'load',
        [keys.session(hash)],
        [
          keys.userPrefix,
          keys.indexPrefix,
          hash,
          settings.idleMs,
          use ? settings.touchEveryMs : Number.MAX_SAFE_INTEGER,
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
    ): Promise<'saved' | 'gone' | 'too-large'> {
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
        [
          keys.userPrefix,
          keys.indexPrefix,
          hash,
          settings.idleMs,
          mostDataBytes,
          set.length / 2,
          ...set,
          ...removed,
        ],
      )
      const outcome = asText(asList(reply, 'save')[1], 'save')
      return outcome === 'saved' || outcome === 'too-large' ? outcome : 'gone'
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

    /**
     * The key that tokens are sealed with, `proposed` if there is none (and this is the incarnation, if one is named), and
     * whether every session is sealed.
     */
    async tokenKey(proposed: string, inc = ''): Promise<{ key: string | null; always: boolean }> {
      const reply = asList(await run('token_key', [keys.tokenKey], [proposed, inc]), 'token_key')
      return { key: asText(reply[1], 'token_key') || null, always: reply[2] === '1' }
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
          channel,
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
      const [inc, outcome, seq, settled, members, count, description, announced] = asList(reply, 'create')
      const stamp: Stamp = { inc: asText(inc, 'create'), seq: asCount(seq, 'create') }
      if (outcome === 'superseded' || outcome === 'disabled') return { outcome, ...stamp }
      const described = parseDescription(description)
      if (!described) return { outcome: 'superseded', ...stamp }
      return {
        outcome: 'created',
        announced: announced === '1',
        ...parseRecorded([inc, seq, settled, members, count], 'create'),
        ...described,
      }
    },

    /** Those that will expire last come first; a few at a time, so that Redis serves others in between. */
    async list(userId: string, { most, skip }: { most: number; skip: number }): Promise<Description[]> {
      const index = keys.index(userId)
      const entries = asList(await run('index', [index], [most, skip]), 'index').map(String)
      const found: Description[] = []
      for (let done = 0; done < entries.length; done += listedAtOnce) {
        const page = entries.slice(done, done + listedAtOnce)
        const args = [keys.sessionPrefix, keys.userPrefix, ...page]
        const reply = asList(await run('list', [keys.user(userId), index], args), 'list')
        found.push(...reply.flatMap((item) => parseDescription(item) ?? []))
      }
      return found
    },

    async sessionById(
      userId: string,
      sessionId: string,
    ): Promise<Stamp & { readonly found: { readonly hash: string; readonly leftMs: number } | null }> {
      const args = [keys.sessionPrefix, keys.userPrefix, userId, sessionId]
      const reply = await run('session_by_id', [keys.index(userId)], args)
      const [inc, seq, hash, leftMs] = asList(reply, 'session_by_id')
      const found =
        hash === null
          ? null
          : { hash: asText(hash, 'session_by_id'), leftMs: asCount(leftMs, 'session_by_id') }
      return { inc: asText(inc, 'session_by_id'), seq: asCount(seq, 'session_by_id'), found }
    },

    async generation(hash: string): Promise<Stamp & { readonly generation: string | null }> {
      const reply = await run('generation', [keys.session(hash)], [keys.userPrefix])
      const [inc, seq, generation] = asList(reply, 'generation')
      return {
        inc: asText(inc, 'generation'),
        seq: asCount(seq, 'generation'),
        generation: generation === null ? null : asText(generation, 'generation'),
      }
    },

    async generationStands(
      userId: string,
      generation: string,
    ): Promise<Stamp & { readonly stands: boolean }> {
      const reply = await run('generation_stands', [keys.user(userId)], [generation])
      const [inc, seq, stands] = asList(reply, 'generation_stands')
      return {
        inc: asText(inc, 'generation_stands'),
        seq: asCount(seq, 'generation_stands'),
        stands: stands === 1,
      }
    },

    async revokeSession(hash: string): Promise<Recorded> {
      const args = [keys.userPrefix, keys.indexPrefix, channel, hash]
      return parseRecorded(await run('revoke_session', [keys.session(hash)], args), 'revoke_session')
    },

    async revokeById(userId: string, sessionId: string): Promise<Recorded> {
      const args = [keys.sessionPrefix, keys.userPrefix, channel, userId, sessionId, unansweredMs]
      const names = [keys.user(userId), keys.index(userId), keys.ended(userId, sessionId)]
      return parseRecorded(await run('revoke_by_id', names, args), 'revoke_by_id')
    },

    /** Whoever ended a session by its id is about to be answered: asking again finds none. */
    async forgetEnded(userId: string, sessionId: string): Promise<void> {
      await redis.del(keys.ended(userId, sessionId))
    },

    /** `request` recognises a repeat: the same for each attempt. `keep` goes on under the hash `become` (the same: under its own token). */
    async revokeUser(
      userId: string,
      request: string,
      keep?: { hash: string; become: string },
    ): Promise<Recorded & { readonly kept: Description | null }> {
      const names = [keys.user(userId), keys.index(userId)]
      if (keep) names.push(keys.session(keep.hash), keys.session(keep.become))
      const args = [keys.userPrefix, channel, userId, lifetimeMs, request, keep?.become ?? '']
      const reply = asList(await run('revoke_user', names, args), 'revoke_user')
      return { ...parseRecorded(reply, 'revoke_user'), kept: parseDescription(reply[5]) }
    },

    /** Has every worker drop what it holds of the user, or of one session. */
    announceUser: (userId: string): Promise<Recorded> => announce('user', userId),
    announceSession: (hash: string): Promise<Recorded> => announce('session', hash),

    /** `request` recognises a repeat: the same for each attempt. */
    async updateSubject(
      subject: Subject,
      disabled: boolean,
      request: string,
    ): Promise<Recorded & { readonly knownVersion: number }> {
      const args = [
        channel,
        subject.id,
        lifetimeMs,
        ...subjectArguments(subject),
        disabled ? '1' : '0',
        request,
      ]
      const names = [keys.user(subject.id), keys.index(subject.id)]
      const reply = asList(await run('update_subject', names, args), 'update_subject')
      return {
        ...parseRecorded(reply, 'update_subject'),
        knownVersion: Number(asText(reply[5], 'update_subject')),
      }
    },
  }
}

function subjectArguments(subject: Subject): (string | number)[] {
  return [
    subject.lineage ?? '',
    subject.version,
    JSON.stringify(subject.roles),
    JSON.stringify(subject.profile),
  ]
}
