/**
 * Tokens that go out by mail, and prove that whoever shows one reads the mails of the account. Only their hashes are
 * stored: the token itself is for the mail alone.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { AccountStore } from './accounts.ts'

export const resetTokenMinutes = 30
export const invitationDays = 7
export const verificationHours = 24

/** With it the owner of the account can set a new password once, for half an hour. */
export function issueResetToken(
  accounts: Pick<AccountStore, 'addResetToken'>,
  accountId: string,
): Promise<string> {
  return issue((hash, expiresAt) => accounts.addResetToken(accountId, hash, expiresAt), resetTokenMinutes)
}

/** The same for someone who has no password yet, and need not look at once. */
export function issueInvitationToken(
  accounts: Pick<AccountStore, 'addResetToken'>,
  accountId: string,
): Promise<string> {
  const minutes = invitationDays * 24 * 60
  return issue((hash, expiresAt) => accounts.addResetToken(accountId, hash, expiresAt), minutes)
}

/** With it the address of the account is confirmed, and nothing else can be done. */
export function issueVerificationToken(
  accounts: Pick<AccountStore, 'addVerificationToken'>,
  accountId: string,
): Promise<string> {
  const minutes = verificationHours * 60
  return issue((hash, expiresAt) => accounts.addVerificationToken(accountId, hash, expiresAt), minutes)
}

export function hashMailToken(token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}

async function issue(
  store: (hash: string, expiresAt: number) => Promise<void>,
  minutes: number,
): Promise<string> {
  const token = randomBytes(32).toString('base64url')
  await store(hashMailToken(token), Date.now() + minutes * 60_000)
  return token
}
