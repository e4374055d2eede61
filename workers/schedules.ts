/**
 * Every schedule of this application: add yours here.
 *
 *   defineSchedule({
 *     name: 'nightly-report',
 *     job: report,
 *     pattern: '30 2 * * *',
 *     timezone: 'Europe/Berlin',
 *     misfire: 'run-once',
 *     overlap: 'forbid',
 *   })
 */
import type { Schedule } from '../shared/queues/schedule.ts'

export const schedules: readonly Schedule[] = []
