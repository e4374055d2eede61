/** What operators do with schedules, whether a program or a page asks. */
import type { AppContext } from '../../../../shared/app/context.ts'
import { problem } from '../../../../shared/app/problem.ts'
import type { ScheduleControl } from '../../../../shared/queues/schedule-control.ts'
import type { ScheduleView, ScheduleViews } from '../../../../shared/queues/schedule-views.ts'
import type { RecordAuthEvent } from '../auth/auth-events.ts'

export interface ScheduleOperationParts {
  readonly schedules: ScheduleViews & ScheduleControl
  readonly recordAuthEvent: RecordAuthEvent
}

export type ScheduleOperations = ReturnType<typeof createScheduleOperations>

export function createScheduleOperations({ schedules, recordAuthEvent }: ScheduleOperationParts) {
  function note(ctx: AppContext, action: string, name: string): void {
    recordAuthEvent(ctx, 'queue-action', {
      subject: `schedules/${name}`,
      action,
      queue: 'schedules',
      job: name,
    })
  }

  function change(action: 'pause' | 'resume') {
    return async (ctx: AppContext, name: string): Promise<void> => {
      if (!(await schedules[action](name))) throw problem('not-found', `there is no schedule ${name}`)
      note(ctx, action, name)
    }
  }

  return {
    list: (): Promise<ScheduleView[]> => schedules.list(),
    pause: change('pause'),
    resume: change('resume'),
    /** Gives the job and the id of the run. */
    async run(ctx: AppContext, name: string): Promise<{ readonly job: string; readonly id: string }> {
      const run = await schedules.runNow(name)
      if (run === null) throw problem('not-found', `there is no schedule ${name}`)
      if (run === 'running') throw problem('conflict', `the last run of ${name} is not over`)
      note(ctx, 'run', name)
      return run
    },
  }
}
