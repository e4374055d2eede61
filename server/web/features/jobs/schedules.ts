import { z } from 'zod'
import { operators, viewers } from '../../../../shared/accounts/roles.ts'
import type { AppContext } from '../../../../shared/app/context.ts'
import { problem } from '../../../../shared/app/problem.ts'
import type { ScheduleControl } from '../../../../shared/queues/schedule-control.ts'
import type { RecordAuthEvent } from '../auth/auth-events.ts'
import type { ScheduleView, ScheduleViews } from '../../../../shared/queues/schedule-views.ts'
import { defineRoute, type Route } from '../../../../shared/app/route.ts'

export interface ScheduleRouteParts {
  readonly schedules: ScheduleViews & ScheduleControl
  readonly recordAuthEvent: RecordAuthEvent
}

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
export function scheduleRoutes({ schedules, recordAuthEvent }: ScheduleRouteParts): Route[] {
  function note(ctx: AppContext, action: string, name: string): void {
    recordAuthEvent(ctx, 'queue-action', {
      subject: `schedules/${name}`,
      action,
      queue: 'schedules',
      job: name,
    })
  }

  function change(action: 'pause' | 'resume', summary: string): Route {
    return defineRoute({
      method: 'POST',
      path: `/api/v1/admin/schedules/:name/${action}`,
      access: { roles: operators },
      summary,
      params,
      replies: { 204: { description: 'Done, also when it was so before' }, 404: noSuchSchedule },
      async handler(ctx, { params: { name } }) {
        if (!(await schedules[action](name))) throw problem('not-found', `there is no schedule ${name}`)
        note(ctx, action, name)
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
        const run = await schedules.runNow(name)
        if (run === null) throw problem('not-found', `there is no schedule ${name}`)
        if (run === 'running') throw problem('conflict', `the last run of ${name} is not over`)
        note(ctx, 'run', name)
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
