import { z } from 'zod'
import type { Mailer } from '../../shared/mail/mailer.ts'
import { defineJob } from '../../shared/queues/job.ts'

export interface Services {
  /** The mail server: the mailer of all handlers asks for this job. */
  readonly mailer: Pick<Mailer, 'send'>
}

/** Sends one mail. Tried for about an hour, since mail servers go away for a while. */
export const mail = defineJob({
  name: 'mail',
  payload: z.strictObject({ to: z.string(), subject: z.string(), text: z.string() }),
  attempts: 12,
  backoff: { type: 'exponential', delayMs: 2_000 },
  // A link in a mail is a key: it is hidden in the dashboard, and goes when the mail has gone.
  secretFields: ['text'],
  keepCompleted: { count: 0, seconds: 0 },
  keepFailed: { count: 1_000, seconds: 24 * 60 * 60 },
  async handler({ data }, { services }: { services: Services }) {
    await services.mailer.send(data)
  },
})
