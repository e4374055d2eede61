import { createHash, randomBytes } from 'node:crypto'
import type { AccountStore } from './accounts.ts'

export const resetTokenMinutes = 30

/**
 * A token with which the owner of the account can set a new password once, for half an hour. Only its hash is stored:
 * the token itself is for the mail alone.
 */
export async function issueResetToken(
  accounts: Pick<AccountStore, 'addResetToken'>,
  accountId: string,
): Promise<string> {
  const token = randomBytes(32).toString('base64url')
  await accounts.addResetToken(accountId, hashResetToken(token), Date.now() + resetTokenMinutes * 60_000)
  return token
}

export function hashResetToken(token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}
