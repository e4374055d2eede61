/** Every built-in job. */
import { audit, auth, jobs as tried } from './features.ts'

export const jobs = [...auth.jobs, ...audit.jobs, ...tried.jobs] as const
