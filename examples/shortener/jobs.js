import { defineJob, defineSchedule, z } from 'lockstep'

/** Enqueued for each click, so that following a link does not wait for the database. */
export const recordClick = defineJob({
  name: 'record-click',
  payload: z.strictObject({ code: z.string(), at: z.int() }),
  attempts: 5,
  async handler({ data }, { services }) {
    services.links.click(data.code, data.at)
  },
})

const yearMs = 365 * 24 * 60 * 60 * 1_000

export const pruneClicks = defineJob({
  name: 'prune-clicks',
  payload: z.strictObject({}),
  async handler({ log }, { services }) {
    const pruned = services.links.prune(Date.now() - yearMs)
    log.info({ pruned }, 'old clicks were removed')
    return { pruned }
  },
})

export const pruneNightly = defineSchedule({
  name: 'prune-clicks-nightly',
  job: pruneClicks,
  data: {},
  pattern: '30 2 * * *',
  timezone: 'Europe/Berlin',
  misfire: 'run-once', // or skip, or backfill(max)
  overlap: 'forbid', // or allow
})
