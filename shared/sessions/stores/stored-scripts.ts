/** One typed function per `stored_*.lua`; no one else knows the order of their arguments. Errors are Redis' own. */
import type { Redis } from 'ioredis'
import { createDomainRunner, parseRecorded, type Recorded, type Stamp } from '../../coherence/index.ts'
import { asCount, asList, asText } from '../../kernel/redis/replies.ts'
import { sessionKeys } from '../keys.ts'
import { dataFieldPrefix, parseData } from '../replies.ts'
import { dataBoundOf, lifetimeOf, type ScriptSettings } from '../script-settings.ts'
import { newSessionId } from '../token.ts'
import type { StoredSession, StoredWrite, StoredWriteOutcome } from './stored-sessions.ts'

export type StoredReply = Stamp & { readonly found: StoredSession | 'corrupt' | null }

export type StoredWriteReply =
  | (Recorded & { readonly outcome: 'saved' | 'gone'; readonly announced: boolean })
  | (Stamp & { readonly outcome: Exclude<StoredWriteOutcome, 'saved'>; readonly announced: false })

export type StoredScripts = ReturnType<typeof createStoredScripts>

const lua = new URL('../lua/', import.meta.url)
const refusals = ['gone', 'taken', 'superseded', 'disabled', 'too-large'] as const

export function createStoredScripts(
  redis: Redis,
  settings: ScriptSettings & { readonly absoluteMs: number },
) {
  const { channel } = settings.keys
  const keys = sessionKeys(settings.keys)
  const run = createDomainRunner(redis, lua, settings)
  const bothOf = (hash: string) => [keys.session(hash), keys.guest(hash)]

  return {
    /** Counts as use of the session. */
    async load(hash: string): Promise<StoredReply> {
      const args = [keys.userPrefix, keys.indexPrefix, hash, settings.idleMs, settings.touchEveryMs]
      const reply = asList(await run('stored_load', bothOf(hash), args), 'stored_load')
      const [inc, seq, state, userId, fields] = reply
      const stamp: Stamp = { inc: asText(inc, 'stored_load'), seq: asCount(seq, 'stored_load') }
      if (state !== 'user' && state !== 'guest') {
        return { ...stamp, found: state === 'corrupt' ? 'corrupt' : null }
      }
      const data = parseData(fields)
      if (!data) return { ...stamp, found: 'corrupt' }
      const owner = state === 'user' ? asText(userId, 'stored_load') : null
      return { ...stamp, found: { userId: owner, data } }
    },

    async write(hash: string, write: StoredWrite): Promise<StoredWriteReply> {
      const { was, userId, ticket, device = {} } = write
      const before = was === 'new' ? null : was.userId
      const kind = was === 'new' ? 'new' : before === null ? 'guest' : 'user'
      const args = [
        keys.sessionPrefix,
        keys.userPrefix,
        keys.indexPrefix,
        channel,
        hash,
        newSessionId(),
        kind,
        before ?? '',
        userId ?? '',
        ticket.inc,
        ticket.seq,
        settings.idleMs,
        settings.absoluteMs,
        settings.maxPerUser,
        lifetimeOf(settings),
        device.userAgent ?? '',
        device.ip ?? '',
        dataBoundOf(settings),
        ...fieldArguments(write.changes),
      ]
      const reply = asList(await run('stored_save', bothOf(hash), args), 'stored_save')
      const [inc, outcome, seq, settled, members, count, announced] = reply
      const stamp: Stamp = { inc: asText(inc, 'stored_save'), seq: asCount(seq, 'stored_save') }
      if (announced === undefined) {
        const refusal = refusals.find((known) => known === outcome) ?? 'gone'
        return { ...stamp, outcome: refusal, announced: false }
      }
      return {
        outcome: outcome === 'saved' ? 'saved' : 'gone',
        announced: announced === '1',
        ...parseRecorded([inc, seq, settled, members, count], 'stored_save'),
      }
    },

    async end(hash: string): Promise<Recorded & { readonly announced: boolean }> {
      const args = [keys.userPrefix, keys.indexPrefix, channel, hash]
      const reply = asList(await run('stored_end', bothOf(hash), args), 'stored_end')
      return { ...parseRecorded(reply, 'stored_end'), announced: reply[5] === '1' }
    },
  }
}

/** How many to set, the pairs, and the names to remove. */
function fieldArguments(changes: StoredWrite['changes']): (string | number)[] {
  const set: string[] = []
  const removed: string[] = []
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) removed.push(dataFieldPrefix + name)
    else set.push(dataFieldPrefix + name, JSON.stringify(value))
  }
  return [set.length / 2, ...set, ...removed]
}
