import type { Coherence, Recorded } from '../../coherence/index.ts'
import { Unavailable } from '../../kernel/errors.ts'
import type { Revocation } from '../sessions.ts'
import { hashToken } from '../token.ts'
import type { StoredScripts } from './stored-scripts.ts'
import type { StoredSessions } from './stored-sessions.ts'

export interface StoredDependencies {
  readonly scripts: StoredScripts
  readonly coherence: Pick<Coherence, 'saw' | 'believes' | 'keeps' | 'confirm' | 'position'>
  /** What this worker forgets at once, without waiting for the message. */
  readonly drop: (hash: string) => void | Promise<void>
  readonly onLoad: () => void
  readonly onCorrupt: (hash: string) => void
  readonly onConfirmed: (count: number) => void
  readonly onUnconfirmed: () => void
}

/** As long as a UUID without its dashes is the shortest that can be a secret; nothing needs more than the longest. */
const shape = /^[\x21-\x7e]{16,256}$/

/** Could this id have been made by a store's library? Another one is refused without asking Redis. */
export function isUsableId(id: unknown): id is string {
  return typeof id === 'string' && shape.test(id)
}

export function createStored(dependencies: StoredDependencies): StoredSessions {
  const { scripts, coherence, drop, onLoad, onCorrupt, onConfirmed, onUnconfirmed } = dependencies

  /** What was recorded is true on every worker when this resolves. Recording again is harmless. */
  async function everywhere(hash: string, record: () => Promise<Recorded>): Promise<Revocation> {
    const told = await coherence.confirm(async () => {
      const recorded = await record()
      await drop(hash)
      return recorded
    })
    if (!told.confirmed) {
      onUnconfirmed()
      return { outcome: 'unconfirmed', cause: told.cause }
    }
    const { count } = told.recorded
    onConfirmed(count)
    return count > 0 ? { outcome: 'revoked', count } : { outcome: 'gone' }
  }

  return {
    ticket() {
      const seen = coherence.position()
      if (seen.inc === '')
        throw new Error('the sessions are not started: await start() before serving requests')
      return seen
    },

    async load(id) {
      if (!isUsableId(id)) return null
      const hash = hashToken(id)
      onLoad()
      const { found, ...stamp } = await ask(() => scripts.load(hash))
      coherence.saw(stamp)
      if (!(await coherence.believes(stamp.inc))) throw new Unavailable('redis')
      if (found === 'corrupt') onCorrupt(hash)
      return found === 'corrupt' ? null : found
    },

    async write(id, write) {
      if (!isUsableId(id)) {
        throw new TypeError('an id of a session has 16 to 256 characters of printable ASCII: check genid')
      }
      const hash = hashToken(id)
      const written = await ask(() => scripts.write(hash, write))
      coherence.saw(written)
      if (written.announced) {
        const { outcome, announced: _announced, ...recorded } = written
        let attempts = 0
        const told = await everywhere(hash, async () => {
          attempts += 1
          // Redis has changed since it was written: whether it still counts is not known, so it ends.
          return attempts === 1 ? recorded : scripts.end(hash)
        })
        if (told.outcome === 'unconfirmed') {
          void scripts.end(hash).catch(() => {})
          throw new Unavailable('redis', { cause: told.cause })
        }
        return attempts === 1 ? outcome : 'superseded'
      }
      const relied = write.was === 'new' || write.was.userId !== write.userId
      if (written.outcome === 'saved' && relied && !(await ask(async () => coherence.keeps(written.inc)))) {
        throw new Unavailable('redis')
      }
      return written.outcome
    },

    async end(id) {
      if (!isUsableId(id)) return { outcome: 'gone' }
      const hash = hashToken(id)
      let first: Awaited<ReturnType<StoredScripts['end']>> | null = null
      try {
        first = await scripts.end(hash)
        coherence.saw(first)
        if (!first.announced && (await coherence.keeps(first.inc))) return { outcome: 'revoked', count: 1 }
      } catch {
        // Asked again below, for as long as a revocation is.
      }
      return everywhere(hash, async () => {
        const recorded = first?.announced ? first : await scripts.end(hash)
        first = null
        return recorded
      })
    },
  }
}

async function ask<T>(question: () => Promise<T>): Promise<T> {
  try {
    return await question()
  } catch (cause) {
    throw new Unavailable('redis', { cause })
  }
}
