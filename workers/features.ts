/** What is built in of jobs and schedules, as features: registered by the same call as those of an application. */
import type { Feature } from '../shared/app/feature.ts'
import { defineSchedule } from '../shared/queues/schedule.ts'
import { accountMail } from './jobs/account-mail.ts'
import { echo } from './jobs/echo.ts'
import { mail } from './jobs/mail.ts'
import { passwordReset } from './jobs/password-reset.ts'
import { pruneAudit } from './jobs/prune-audit.ts'
import { registration } from './jobs/registration.ts'
import { signInNotice } from './jobs/sign-in-notice.ts'

export { accountMail, mail, passwordReset, registration, signInNotice }

export const auth = {
  name: 'auth',
  jobs: [mail, passwordReset, signInNotice, accountMail, registration],
} satisfies Feature

export const audit = {
  name: 'audit',
  jobs: [pruneAudit],
  schedules: [
    defineSchedule({
      name: 'prune-audit-nightly',
      job: pruneAudit,
      data: {},
      pattern: '17 3 * * *',
      misfire: 'run-once',
      overlap: 'forbid',
      jitterMs: 5 * 60_000,
    }),
  ],
} satisfies Feature

export const jobs = { name: 'jobs', jobs: [echo] } satisfies Feature
