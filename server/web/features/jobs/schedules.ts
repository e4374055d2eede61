import { z } from 'zod'
import { operators, viewers } from '../../../../shared/accounts/roles.ts'
import { defineRoute, type Route } from '../../../../shared/app/route.ts'
import type { ScheduleView } from '../../../../shared/queues/schedule-views.ts'
import { createScheduleOperations, type ScheduleOperationParts } from './schedule-operations.ts'

const scheduleSchema = z
  .strictObject({
    name: z.string(),
    job: z.string(),
    pattern: z.string().describe('cron, or the interval'),
    timezone: z.string(),
    next: z.array(z.iso.datetime()).describe('the next five runs'),
    lastRun: z.iso.datetime().nullable(),
    misfire: z.string(),
    overlap: z.enum(['allow', 'forbid']),
    paused: z.boolean().describe('whether its ticks get no run until it is resumed'),
  })
  .meta({ id: 'Schedule' })
const params = z.strictObject({ name: z.string().max(64) })
const noSuchSchedule = { description: 'No such schedule' }

/** The schedules in force, for those who may read the dashboard; stopping and starting them for operators. */
export function scheduleRoutes(parts: ScheduleOperationParts): Route[] {
  const schedules = createScheduleOperations(parts)

  function change(action: 'pause' | 'resume', summary: string): Route {
    return defineRoute({
      method: 'POST',
      path: `/api/v1/admin/schedules/:name/${action}`,
      access: { roles: operators },
      summary,
      params,
      replies: { 204: { description: 'Done, also when it was so before' }, 404: noSuchSchedule },
      async handler(ctx, { params: { name } }) {
        await schedules[action](ctx, name)
        ctx.status = 204
      },
    })
  }

  return [
    change('pause', 'Give the ticks of a schedule no run, on all hosts, until it is resumed'),
    change('resume', 'Give the ticks of a schedule their runs again, from the next one on'),
    defineRoute({
      method: 'POST',
      path: '/api/v1/admin/schedules/:name/run',
      access: { roles: operators },
      summary: 'Give a schedule a run now, beside its ticks',
      params,
      replies: {
        202: { description: 'The run', body: z.strictObject({ id: z.string() }) },
        404: noSuchSchedule,
        409: { description: 'The last run is not over, and the schedule forbids an overlap' },
      },
      async handler(ctx, { params: { name } }) {
        const run = await schedules.run(ctx, name)
        ctx.status = 202
        ctx.set('Location', `/api/v1/jobs/${run.job}/${run.id}`)
        ctx.body = { id: run.id }
      },
    }),
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
