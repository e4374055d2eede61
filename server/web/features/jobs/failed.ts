import { z } from 'zod'
import { operators, viewers } from '../../../../shared/accounts/roles.ts'
import { problem } from '../../../../shared/app/problem.ts'
import { defineRoute, type Route } from '../../../../shared/app/route.ts'
import { mayEnqueue, type AnyJob } from '../../../../shared/queues/job.ts'
import type { Queues } from '../../../../shared/queues/queues.ts'
import { requireIdentity, type AppContext } from '../../../../shared/app/context.ts'
import type { RecordAuthEvent } from '../auth/auth-events.ts'

export interface FailedJobRouteParts {
  readonly queues: Pick<Queues, 'jobs' | 'failed' | 'retryFailed'>
  readonly recordAuthEvent: RecordAuthEvent
}

const most = 1_000
const job = z.string().max(64).describe('the name of the job')
const reason = z.string().min(1).max(200).optional().describe('a text in the reason')
const moment = z.iso.datetime().optional()

const failedSchema = z.strictObject({
  id: z.string(),
  name: z.string(),
  reason: z.string(),
  attempts: z.int(),
  failedAt: z.iso.datetime().nullable(),
  by: z.string().nullable(),
  schedule: z.string().nullable(),
})

/** Jobs that have failed for good: looking through them, for viewers, and having them done again, for operators. */
export function failedJobRoutes({ queues, recordAuthEvent }: FailedJobRouteParts): Route[] {
  function known(name: string): AnyJob {
    const found = queues.jobs.get(name)
    if (!found) throw problem('not-found', `there is no job ${name}`)
    return found
  }

  /** As on the dashboard: what the code alone asks for, operators may have done again. */
  function refuseUnlessAllowed(ctx: AppContext, wanted: AnyJob): void {
    const { user } = requireIdentity(ctx).identity
    if (wanted.enqueue === 'nobody' || mayEnqueue(wanted, user.roles)) return
    throw problem('forbidden', `your roles do not allow the job ${wanted.name}`)
  }

  return [
    defineRoute({
      method: 'GET',
      path: '/api/v1/admin/failed-jobs',
      access: { roles: viewers },
      summary: 'Jobs that have failed for good, the latest first',
      query: z.strictObject({
        job,
        reason,
        failedAfter: moment,
        failedBefore: moment,
        limit: z.coerce.number().int().min(1).max(most).optional(),
      }),
      replies: {
        200: { description: 'Jobs', body: z.strictObject({ jobs: z.array(failedSchema) }) },
        404: { description: 'No such job' },
      },
      async handler(ctx, { query }) {
        const found = await queues.failed(known(query.job), filterOf(query))
        ctx.body = {
          jobs: found.map((each) => ({ ...each, failedAt: each.failedAt?.toISOString() ?? null })),
        }
      },
    }),
    defineRoute({
      method: 'POST',
      path: '/api/v1/admin/failed-jobs/retry',
      access: { roles: operators },
      summary: 'Have jobs that failed for good done again, from their first attempt',
      body: z.strictObject({
        job,
        reason,
        failedAfter: moment,
        failedBefore: moment,
        limit: z.int().min(1).max(most).optional(),
      }),
      replies: {
        200: {
          description:
            'How many are done again; skipped are those whose payload the job does not take any more',
          body: z.strictObject({ retried: z.int(), skipped: z.int() }),
        },
        404: { description: 'No such job' },
      },
      async handler(ctx, { body }) {
        const wanted = known(body.job)
        refuseUnlessAllowed(ctx, wanted)
        const outcome = await queues.retryFailed(wanted, filterOf(body))
        recordAuthEvent(ctx, 'queue-action', {
          subject: wanted.name,
          action: 'retry-failed',
          queue: wanted.name,
          ...outcome,
        })
        ctx.body = outcome
      },
    }),
  ]
}

function filterOf(asked: {
  reason?: string | undefined
  failedAfter?: string | undefined
  failedBefore?: string | undefined
  limit?: number | undefined
}) {
  const time = (text: string | undefined) => (text === undefined ? undefined : Date.parse(text))
  return {
    reason: asked.reason,
    failedAfter: time(asked.failedAfter),
    failedBefore: time(asked.failedBefore),
    limit: asked.limit,
  }
}
