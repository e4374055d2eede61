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
import { defineSchedule, type Schedule } from '../shared/queues/schedule.ts'
import { pruneAudit } from './jobs/prune-audit.ts'

export const schedules: readonly Schedule[] = [
  defineSchedule({
    name: 'prune-audit-nightly',
    job: pruneAudit,
    data: {},
    pattern: '17 3 * * *',
    misfire: 'run-once',
    overlap: 'forbid',
    jitterMs: 5 * 60_000,
  }),
]
