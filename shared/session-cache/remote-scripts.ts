/** One typed function per script of `lua/`; no one else knows the order of their arguments. Errors are Redis' own. */
import type { Redis } from 'ioredis'
import {
  createDomainRunner,
  parseRecorded,
  type Coherence,
  type Recorded,
  type Stamp,
} from '../coherence/index.ts'
import { asCount, asList, asText } from '../kernel/redis/replies.ts'

export type Found = Stamp &
  (
    | { readonly state: 'kept'; readonly userId: string; readonly value: string; readonly leftMs: number }
    | { readonly state: 'revoked' | 'unknown' }
  )

export type KeepOutcome = 'kept' | 'revoked' | 'crossed'

export type RemoteScripts = ReturnType<typeof createRemoteScripts>

const lua = new URL('./lua/', import.meta.url)

/**
 * The keys lie in the coherence domain: `{sx}:r:` + SHA-256 of the token, hash; `{sx}:ru:` + user id, and `{sx}:ra`: when
 * what was kept of that user, or of everybody, was dropped.
 */
export function createRemoteScripts(redis: Redis, coherence: Coherence) {
  const { keys, durability, position } = coherence
  const run = createDomainRunner(redis, lua, { keys, durability, position })
  const token = (hash: string) => keys.at(`r:${hash}`)
  const users = keys.at('ru:')
  const everybody = keys.at('ra')

  const drop = async (key: string, kind: string, id: string, lastsMs: number): Promise<Recorded> =>
    parseRecorded(await run('remote_drop', [key], [keys.channel, kind, id, lastsMs]), 'remote_drop')

  return {
    async find(hash: string): Promise<Found> {
      const reply = asList(await run('remote_find', [token(hash), everybody], [users]), 'remote_find')
      const [inc, seq, state, userId, value, left] = reply
      const stamp: Stamp = { inc: asText(inc, 'remote_find'), seq: asCount(seq, 'remote_find') }
      if (state !== 'kept') return { ...stamp, state: state === 'revoked' ? 'revoked' : 'unknown' }
      return {
        ...stamp,
        state: 'kept',
        userId: asText(userId, 'remote_find'),
        value: asText(value, 'remote_find'),
        leftMs: asCount(left, 'remote_find'),
      }
    },

    async keep(
      hash: string,
      entry: { ticket: Stamp; userId: string; value: string; forMs: number },
    ): Promise<Stamp & { readonly outcome: KeepOutcome }> {
      const { ticket, userId, value, forMs } = entry
      const args = [users, ticket.inc, ticket.seq, userId, value, forMs]
      const reply = asList(await run('remote_keep', [token(hash), everybody], args), 'remote_keep')
      const outcome = asText(reply[2], 'remote_keep')
      return {
        inc: asText(reply[0], 'remote_keep'),
        seq: asCount(reply[1], 'remote_keep'),
        outcome: outcome === 'kept' || outcome === 'revoked' ? outcome : 'crossed',
      }
    },

    async end(hash: string, how: 'revoked' | 'dropped', lastsMs: number): Promise<Recorded> {
      const reply = await run('remote_end', [token(hash)], [keys.channel, hash, how, lastsMs])
      return parseRecorded(reply, 'remote_end')
    },

    dropUser: (userId: string, lastsMs: number) => drop(users + userId, 'remote-user', userId, lastsMs),
    dropAll: (lastsMs: number) => drop(everybody, 'remote-all', '', lastsMs),
  }
}
