import { z } from 'zod'
import { viewers } from '../../../../shared/accounts/roles.ts'
import type { ScheduleView, ScheduleViews } from '../../../../shared/queues/schedule-views.ts'
import { defineRoute, type Route } from '../../../../shared/app/route.ts'

export interface ScheduleRouteParts {
  readonly schedules: ScheduleViews
}

const scheduleSchema = z.strictObject({
  name: z.string(),
  job: z.string(),
  pattern: z.string().describe('cron, or the interval'),
  timezone: z.string(),
  next: z.array(z.iso.datetime()).describe('the next five runs'),
  lastRun: z.iso.datetime().nullable(),
  misfire: z.string(),
  overlap: z.enum(['allow', 'forbid']),
})

/** The schedules in force, for those who may read the dashboard. */
export function scheduleRoutes({ schedules }: ScheduleRouteParts): Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/api/v1/admin/schedules',
      access: { roles: viewers },
      summary: 'What the clock asks for, and when it will do so next',
      replies: {
        200: {
          description: 'Schedules',
          body: z.strictObject({ schedules: z.array(scheduleSchema) }),
        },
      },
      async handler(ctx) {
        ctx.body = { schedules: (await schedules.list()).map(presentSchedule) }
      },
    }),
  ]
}

function presentSchedule(view: ScheduleView) {
  return {
    ...view,
    next: view.next.map((tick) => tick.toISOString()),
    lastRun: view.lastRun?.toISOString() ?? null,
  }
}
