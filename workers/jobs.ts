/** Every job of this application: add yours here. */
import { echo } from './jobs/echo.ts'
import { mail } from './jobs/mail.ts'
import { passwordReset } from './jobs/password-reset.ts'
import { pruneAudit } from './jobs/prune-audit.ts'
import { signInNotice } from './jobs/sign-in-notice.ts'

export const jobs = [echo, mail, passwordReset, pruneAudit, signInNotice] as const
