import type { Revocation } from '../../shared/sessions/index.ts'
import { CommandFailed } from './command.ts'

/** How many sessions ended. Throws when it can't be confirmed that every worker knows. */
export function requireConfirmed(revocation: Revocation, done: string): number {
  if (revocation.outcome === 'unconfirmed') {
    throw new CommandFailed(`${done}, but it could not be confirmed that every worker knows: run this again`)
  }
  return revocation.outcome === 'revoked' ? revocation.count : 0
}
