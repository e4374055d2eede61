import { z } from 'zod'
import { hasRole, operators, viewers } from '../../../../shared/accounts/roles.ts'
import { DedupeConflict } from '../../../../shared/queues/dedupe.ts'
import { mayEnqueue, type AnyJob } from '../../../../shared/queues/job.ts'
import { InvalidPayload } from '../../../../shared/queues/payload.ts'
import type { EnqueueOptions, Queues } from '../../../../shared/queues/queues.ts'
import { requireIdentity, type AppContext } from '../../../../shared/app/context.ts'
import { invalidFields, problem } from '../../../../shared/app/problem.ts'
import { defineRoute, type Route } from '../../../../shared/app/route.ts'
import type { RecordAuthEvent } from '../auth/auth-events.ts'

export interface JobRouteParts {
  readonly queues: Pick<Queues, 'jobs' | 'enqueue' | 'find' | 'cancel'>
  readonly recordAuthEvent: RecordAuthEvent
}

const longestDelayMs = 366 * 24 * 60 * 60 * 1_000

const newJob = z.strictObject({
  data: z.unknown().optional().describe("the job's payload, checked by the job itself"),
  delayMs: z.int().min(0).max(longestDelayMs).optional().describe('do it so many milliseconds later'),
  dedupeKey: z
    .string()
    .min(1)
    .max(256)
    .optional()
    .describe(
      'asking again with the same key within a day is answered with the same job; with other data it is refused',
    ),
})
type NewJob = z.output<typeof newJob>

const jobId = z.string().regex(/^[\w@.-]{1,200}$/, 'is not the id of a job')
const jobName = z.string().max(64)

const jobSchema = z
  .strictObject({
    id: z.string(),
    name: z.string(),
    state: z
      .string()
      .describe("BullMQ's word: waiting, prioritized, delayed, active, completed or failed; or cancelled"),
    progress: z.unknown(),
    result: z.unknown().optional(),
    failedReason: z.string().optional(),
  })
  .meta({ id: 'Job' })

const noSuchKind = 'there is no such job, or none that can be asked for here'
const noSuchJob = 'there is no such job (any more), or it is not yours'

/** Asking for jobs, as far as each job lets one, and looking at one's own. */
export function jobRoutes({ queues, recordAuthEvent }: JobRouteParts): Route[] {
  async function enqueue(ctx: AppContext, name: string, asked: NewJob): Promise<void> {
    const { user } = requireIdentity(ctx).identity
    const job = queues.jobs.get(name)
    if (!job || job.enqueue === 'nobody') throw problem('not-found', noSuchKind)
    if (!mayEnqueue(job, user.roles)) throw problem('forbidden', `your roles do not allow the job ${name}`)
    const { data = {}, ...options } = asked
    const { id } = await enqueueChecked(job, data, { ...options, by: user.id })
    ctx.status = 202
    ctx.set('Location', `/api/v1/jobs/${name}/${id}`)
    ctx.body = { id }
  }

  async function enqueueChecked(job: AnyJob, data: unknown, options: EnqueueOptions) {
    try {
      return await queues.enqueue(job, data, options)
    } catch (failure) {
      if (failure instanceof DedupeConflict) throw problem('conflict', failure.message, { cause: failure })
      if (!(failure instanceof InvalidPayload)) throw failure
      const inData = (field: string) => (field === '' ? 'data' : `data.${field}`)
      throw invalidFields(failure.problems.map(({ field, message }) => ({ field: inData(field), message })))
    }
  }

  async function show(ctx: AppContext, name: string, id: string): Promise<void> {
    const { user } = requireIdentity(ctx).identity
    const found = await queues.find(name, id)
    const mine = found?.by === user.id
    if (!found || !(mine || hasRole(user, viewers))) {
      throw problem('not-found', noSuchJob)
    }
    const { by: _by, attempts: _attempts, ...job } = found
    ctx.body = job
  }

  async function cancel(ctx: AppContext, name: string, id: string): Promise<void> {
    const { user } = requireIdentity(ctx).identity
    const found = await queues.find(name, id)
    const mine = found?.by === user.id
    if (!found || !(mine || hasRole(user, operators))) throw problem('not-found', noSuchJob)
    const outcome = await queues.cancel({ name }, id, mine ? 'by who asked for it' : 'by an operator')
    recordAuthEvent(ctx, 'queue-action', {
      subject: `${name}/${id}`,
      action: 'cancel',
      queue: name,
      job: id,
      outcome,
    })
    if (outcome === 'unknown') throw problem('not-found', noSuchJob)
    if (outcome === 'finished') throw problem('conflict', 'the job is over already')
    ctx.body = { outcome }
  }

  return [
    defineRoute({
      method: 'POST',
      path: '/api/v1/jobs/:name',
      access: 'signed-in',
      summary: 'Ask for a job; 202 means that it will be done',
      params: z.strictObject({ name: jobName }),
      body: newJob,
      replies: {
        202: { description: 'Taken', body: z.strictObject({ id: z.string() }) },
        403: { description: 'The job is for other roles' },
        404: { description: 'No such job' },
        409: { description: 'The dedupeKey belongs to a job with other data' },
      },
      handler: (ctx, { params, body }) => enqueue(ctx, params.name, body),
    }),
    defineRoute({
      method: 'GET',
      path: '/api/v1/jobs/:name/:id',
      access: 'signed-in',
      summary: 'How a job is doing: for who asked for it, and for viewers, operators and administrators',
      params: z.strictObject({ name: jobName, id: jobId }),
      replies: { 200: { description: 'The job', body: jobSchema }, 404: { description: 'No such job' } },
      handler: (ctx, { params }) => show(ctx, params.name, params.id),
    }),
    defineRoute({
      method: 'DELETE',
      path: '/api/v1/jobs/:name/:id',
      access: 'signed-in',
      summary: 'Cancel a job: for who asked for it, and for operators and administrators',
      params: z.strictObject({ name: jobName, id: jobId }),
      replies: {
        200: {
          description: 'It will not be done, or, where it runs, its worker was told to stop',
          body: z.strictObject({ outcome: z.enum(['cancelled', 'stopping']) }),
        },
        404: { description: 'No such job' },
        409: { description: 'It is over already' },
      },
      handler: (ctx, { params }) => cancel(ctx, params.name, params.id),
    }),
  ]
}
