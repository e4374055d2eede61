/** What ends sessions, or changes what is known of their user: true on every worker when it is answered. */
import { freshValue, type Coherence, type ConfirmOptions, type Recorded } from '../coherence/index.ts'
import type { SessionScripts } from './scripts.ts'
import type { Identity, Revocation, Sessions } from './sessions.ts'
import { hashToken, isWellFormedToken } from './token.ts'
import type { TokenSeals } from './token-seals.ts'

export interface RevocationDependencies {
  readonly scripts: SessionScripts
  readonly coherence: Pick<Coherence, 'confirm'>
  readonly seals: Pick<TokenSeals, 'issue' | 'mayBeOurs'>
  /** What this worker forgets at once, without waiting for the message. */
  readonly drop: {
    session(hash: string): void | Promise<void>
    user(userId: string): void | Promise<void>
  }
  readonly onConfirmed: (count: number) => void
  readonly onUnconfirmed: () => void
}

export interface Revocations extends Pick<
  Sessions,
  'revoke' | 'revokeById' | 'revokeUser' | 'rotateAndRevokeOthers' | 'updateSubject'
> {
  /** Has every worker drop what it holds of the user: `first` was recorded already, by what changed the user. */
  announceUser(userId: string, first: Recorded): Promise<Revocation>
  /** Has every worker drop what it holds of the session, which goes on. */
  announceSession(hash: string): Promise<Revocation>
}

export function createRevocations(dependencies: RevocationDependencies): Revocations {
  const { scripts, coherence, seals, drop, onConfirmed, onUnconfirmed } = dependencies

  async function everywhere(
    record: () => Promise<Recorded>,
    forget: () => void | Promise<void>,
    options?: ConfirmOptions,
  ): Promise<Revocation> {
    const ended = await coherence.confirm(async () => {
      const recorded = await record()
      await forget()
      return recorded
    }, options)
    if (!ended.confirmed) {
      onUnconfirmed()
      return { outcome: 'unconfirmed', cause: ended.cause }
    }
    const { proof, recorded } = ended
    const { count } = recorded
    onConfirmed(count)
    return count > 0 ? { outcome: 'revoked', count, proof } : { outcome: 'gone', proof }
  }

  const ofUser = (userId: string, record: () => Promise<Recorded>) =>
    everywhere(record, () => drop.user(userId))

  return {
    async revoke(token) {
      if (!isWellFormedToken(token) || !seals.mayBeOurs(token)) return { outcome: 'gone' }
      const hash = hashToken(token)
      return everywhere(
        () => scripts.revokeSession(hash),
        () => drop.session(hash),
      )
    },

    async revokeById(userId, sessionId) {
      const ended = await ofUser(userId, () => scripts.revokeById(userId, sessionId))
      // It expires by itself, and until then someone who asks once more is answered as before.
      if (ended.outcome === 'revoked') await scripts.forgetEnded(userId, sessionId).catch(() => {})
      return ended
    },

    revokeUser(userId, { keep } = {}) {
      const request = freshValue()
      const kept = keep === undefined ? undefined : { hash: hashToken(keep), become: hashToken(keep) }
      return ofUser(userId, () => scripts.revokeUser(userId, request, kept))
    },

    async rotateAndRevokeOthers(userId, token) {
      const request = freshValue()
      const fresh = await seals.issue()
      const rename = { hash: hashToken(token), become: hashToken(fresh) }
      let kept: Identity | undefined
      const others = await ofUser(userId, async () => {
        const recorded = await scripts.revokeUser(userId, request, rename)
        kept = recorded.kept?.identity
        return recorded
      })
      if (others.outcome === 'unconfirmed') return others
      if (!kept) return { outcome: 'gone' }
      const { proof } = others
      return { outcome: 'rotated', token: fresh, identity: kept, ...(proof ? { proof } : {}) }
    },

    async updateSubject(subject, { disabled }) {
      const request = freshValue()
      let knownVersion = subject.version
      const updated = await ofUser(subject.id, async () => {
        const recorded = await scripts.updateSubject(subject, disabled, request)
        knownVersion = recorded.knownVersion
        return recorded
      })
      if (knownVersion === subject.version || updated.outcome === 'unconfirmed') return updated
      return { outcome: 'ignored', count: updated.outcome === 'revoked' ? updated.count : 0, knownVersion }
    },

    announceUser(userId, first) {
      const options = { nothingEnded: first.count === 0 }
      const record = firstThen(first, () => scripts.announceUser(userId))
      return everywhere(record, () => drop.user(userId), options)
    },

    announceSession: (hash) =>
      everywhere(
        () => scripts.announceSession(hash),
        () => drop.session(hash),
        { nothingEnded: true },
      ),
  }
}

/** Answers with `first`, and afterwards with what `next` answers. */
function firstThen<T>(first: T, next: () => Promise<T>): () => Promise<T> {
  let told = false
  return async () => {
    if (told) return next()
    told = true
    return first
  }
}
