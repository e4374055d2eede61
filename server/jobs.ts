/**
 * The jobs that routes can ask for: those of the job workers. Of each, only its name, its payload's schema and who may
 * ask for it are used here; its handler runs in another process.
 */
export { jobs as allJobs } from '../workers/jobs.ts'
export {
  accountMail,
  audit,
  auth,
  jobs,
  mail,
  passwordReset,
  registration,
  signInNotice,
} from '../workers/features.ts'
