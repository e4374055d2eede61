import type { Revocation, Sessions } from '../sessions/index.ts'
import { subjectOf } from './account-subject.ts'
import type { Account, AccountStore } from './accounts.ts'

export interface EffectiveAccountParts {
  readonly accounts: Pick<AccountStore, 'findById' | 'raiseVersion'>
  readonly sessions: Pick<Sessions, 'updateSubject'>
  /** Told when sessions knew a version that the database is not at: it was put back from a backup. */
  readonly onBehind?: (account: Account, known: number) => void
}

export interface EffectiveAccounts {
  /**
   * Makes the record effective on every worker. Says `revoked` or `gone` only if what the database says now is what
   * every worker goes by.
   */
  apply(account: Account): Promise<Revocation>
  /**
   * For a sign-in that sessions answered otherwise than the account said: looks the account up again and makes what it
   * says effective. Gives whether its user may sign in.
   */
  settle(userId: string): Promise<boolean>
}

/** Versions are drawn at most so often before someone is told to ask again. */
const attempts = 5

/**
 * Sessions take no record that is older than the one they know. Where that is only late, a newer one in the database is
 * applied in its place. Where the database itself is behind, it was put back from a backup, and what it says counts all
 * the same: a version above the known one is drawn. Otherwise an administrator would disable someone, be told that it
 * is done, and it would not be.
 */
export function createEffectiveAccounts(parts: EffectiveAccountParts): EffectiveAccounts {
  const { accounts, sessions, onBehind } = parts

  async function upToDate(account: Account, known: number): Promise<Account | null> {
    const latest = await accounts.findById(account.id)
    if (latest === null || latest.version >= known) return latest
    onBehind?.(latest, known)
    return accounts.raiseVersion(account.id, known)
  }

  async function apply(account: Account): Promise<Revocation> {
    let current: Account | null = account
    let count = 0
    for (let attempt = 0; current !== null && attempt < attempts; attempt++) {
      const update = await sessions.updateSubject(subjectOf(current), { disabled: current.disabled })
      if (update.outcome === 'unconfirmed') return update
      if (update.outcome !== 'gone') count += update.count
      if (update.outcome !== 'ignored') return count === 0 ? update : { outcome: 'revoked', count }
      current = await upToDate(current, update.knownVersion)
    }
    return {
      outcome: 'unconfirmed',
      cause: new Error('sessions know a newer version of the account each time'),
    }
  }

  return {
    apply,
    async settle(userId) {
      const account = await accounts.findById(userId)
      if (account === null || account.disabled) return false
      return (await apply(account)).outcome !== 'unconfirmed'
    },
  }
}
