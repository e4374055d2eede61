/**
 * The jobs that routes can ask for: those of the job workers. Of each, only its name, its payload's schema and who may
 * ask for it are used here; its handler runs in another process.
 */
export { jobs } from '../workers/jobs.ts'
export { mail } from '../workers/jobs/mail.ts'
export { passwordReset } from '../workers/jobs/password-reset.ts'
export { signInNotice } from '../workers/jobs/sign-in-notice.ts'
