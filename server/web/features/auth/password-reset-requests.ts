import { createHash } from 'node:crypto'
import { emailKey } from '../../../../shared/accounts/email-key.ts'
import type { Queues } from '../../../../shared/queues/queues.ts'
import type { RequestPasswordReset } from './password-reset.ts'

/** The job that looks the address up and mails the link. */
const job = 'password-reset'

/** However often somebody asks, an address gets one mail in this time. */
const onceInMs = 60_000

/**
 * Asks for the mail as a job: a crash after the answer loses nothing, and a request for an unknown address does the
 * same work as one for a known.
 */
export function passwordResetRequests(queues: Pick<Queues, 'jobs' | 'enqueue'>): RequestPasswordReset {
  return async function requestPasswordReset(email) {
    const passwordReset = queues.jobs.get(job)
    if (passwordReset === undefined) throw new Error(`there is no job ${job}: mails can't be sent`)
    const key = emailKey(email)
    const address = createHash('sha256').update(key).digest('base64url')
    const dedupeKey = `${address}.${Math.floor(Date.now() / onceInMs)}`
    await queues.enqueue(passwordReset, { email: key }, { dedupeKey })
  }
}
