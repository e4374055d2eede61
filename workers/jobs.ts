/** Every job of this application: add yours here. */
import { echo } from './jobs/echo.ts'
import { mail } from './jobs/mail.ts'
import { passwordReset } from './jobs/password-reset.ts'
import { pruneAudit } from './jobs/prune-audit.ts'

export const jobs = [echo, mail, passwordReset, pruneAudit] as const
