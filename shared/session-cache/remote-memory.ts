/**
 * Remote sessions in the memory of one process, found by token, by its hash and by user. Knows nothing of when an entry
 * may be trusted.
 */
import type { Clock } from '../kernel/clock.ts'
import { createTokenIndex, type Indexed } from '../kernel/token-index.ts'
import type { RemoteSession } from './remote-session.ts'

interface Entry<Data> extends Indexed {
  readonly session: RemoteSession<Data>
  /** On both clocks: the monotonic one may stand still while the machine is suspended, the wall clock may be set. */
  readonly staleAt: number
  readonly staleAtWall: number
}

export interface Kept<Data> {
  readonly token: string
  readonly hash: string
  readonly session: RemoteSession<Data>
  /** The clocks before the question was sent, and how long what it was answered counts from then. */
  readonly askedAt: number
  readonly askedAtWall: number
  readonly forMs: number
}

export type RemoteMemory<Data> = ReturnType<typeof createRemoteMemory<Data>>

export function createRemoteMemory<Data>({ clock, maxEntries }: { clock: Clock; maxEntries: number }) {
  const entries = createTokenIndex<Entry<Data>>({ maxEntries })

  return {
    get size() {
      return entries.size
    },

    get(token: string): RemoteSession<Data> | undefined {
      const entry = entries.get(token)
      if (entry === undefined) return undefined
      const { expiresAt } = entry.session
      const wall = clock.wall()
      if (
        clock.mono() < entry.staleAt &&
        wall < entry.staleAtWall &&
        (expiresAt === null || wall < expiresAt)
      ) {
        return entry.session
      }
      entries.drop(token)
      return undefined
    },

    put({ token, hash, session, askedAt, askedAtWall, forMs }: Kept<Data>): void {
      const { userId } = session
      entries.put({
        token,
        hash,
        userId,
        session,
        staleAt: askedAt + forMs,
        staleAtWall: askedAtWall + forMs,
      })
    },

    dropToken: entries.dropHash,
    dropUser: entries.dropUser,
    clear: entries.clear,
  }
}
