import { createHash } from 'node:crypto'
import { emailKey } from '../../../../shared/accounts/email-key.ts'
import type { Queues } from '../../../../shared/queues/queues.ts'
import { passwordReset } from '../../../jobs.ts'
import type { RequestPasswordReset } from './password-reset.ts'

/** However often someone asks, an address gets one mail in this time. */
const onceInMs = 60_000

/**
 * Asks for the mail as a job: a crash after the answer loses nothing, and a request for an unknown address does the
 * same work as one for a known.
 */
export function passwordResetRequests(queues: Pick<Queues, 'enqueue'>): RequestPasswordReset {
  return async function requestPasswordReset(email, locale) {
    const key = emailKey(email)
    const address = createHash('sha256').update(key).digest('base64url')
    const dedupeKey = `${address}.${Math.floor(Date.now() / onceInMs)}`
    await queues.enqueue(passwordReset, { email: key, ...(locale ? { locale } : {}) }, { dedupeKey })
  }
}
