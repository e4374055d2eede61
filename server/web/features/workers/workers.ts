import { z } from 'zod'
import { administrators } from '../../../../shared/accounts/roles.ts'
import { workerRoles } from '../../../../shared/process/assignment.ts'
import { mostWorkers, workerStates, type WorkerStatus } from '../../../../shared/process/control-request.ts'
import type { AskPrimary } from '../../../../shared/process/primary-handle.ts'
import { defineRoute, type Access, type Route } from '../../../../shared/app/route.ts'
import { createWorkerOperations, granted, type WorkerOperationParts } from './worker-operations.ts'

const access: Access = { roles: administrators }
const path = '/api/v1/admin/workers'

const measure = z.number().min(0).nullable()
const workerSchema = z
  .strictObject({
    id: z.string().describe('as in X-Worker; while a worker is being replaced two processes have one id'),
    kind: z.enum(workerRoles),
    pid: z.int().nullable(),
    host: z.string(),
    state: z.enum(workerStates),
    startedAt: z.iso.datetime().nullable(),
    leaseMs: measure.describe('what is left of the lease on sessions in memory'),
    cachedSessions: measure,
    eventLoopLagMs: measure.describe('the longest within the last second'),
    rssBytes: measure,
  })
  .meta({ id: 'Worker' })
const counts = z.strictObject({ web: z.int(), jobs: z.int() })
const begun = z.strictObject({ message: z.string() })
const wanted = z
  .strictObject({
    web: z.int().min(1).max(mostWorkers),
    jobs: z.int().min(0).max(mostWorkers),
  })
  .partial()
  .refine((numbers) => Object.keys(numbers).length > 0, 'names neither web nor jobs')
  .meta({ minProperties: 1 })

/** Worker processes, as administrators see and change them. Commands act on the host that answers. */
export function workerRoutes(parts: WorkerOperationParts): Route[] {
  const operations = createWorkerOperations(parts)
  return [
    defineRoute({
      method: 'GET',
      path,
      access,
      summary: 'The worker processes of all hosts',
      replies: { 200: { description: 'Workers', body: z.strictObject({ workers: z.array(workerSchema) }) } },
      async handler(ctx) {
        const { workers } = await operations.status()
        ctx.body = { workers: workers.map(present) }
      },
    }),
    defineRoute({
      method: 'POST',
      path: `${path}/scale`,
      access,
      summary: 'Change how many workers this host runs',
      body: wanted,
      replies: {
        202: { description: 'Begun; the numbers that it leads to', body: counts },
        409: { description: 'The configuration forbids that many' },
      },
      async handler(ctx, { body }) {
        ctx.body = await operations.scale(ctx, body)
        ctx.status = 202
      },
    }),
    defineRoute({
      method: 'POST',
      path: `${path}/reload`,
      access,
      summary: 'Replace all workers of this host one by one; a build that cannot start changes nothing',
      replies: { 202: { description: 'Begun', body: begun } },
      async handler(ctx) {
        await operations.reload(ctx)
        ctx.status = 202
        ctx.body = { message: 'the reload has begun: its outcome will be in the log' }
      },
    }),
    defineRoute({
      method: 'POST',
      path: `${path}/:id/drain`,
      access,
      summary: 'Replace one worker of this host: a new one takes over, the old one finishes and ends',
      params: z.strictObject({ id: z.string().max(64) }),
      replies: {
        202: { description: 'Begun', body: begun },
        404: { description: 'No such worker on the host that answers' },
      },
      async handler(ctx, { params: { id } }) {
        await operations.drain(ctx, id)
        ctx.status = 202
        ctx.body = { message: `${id} ends when its replacement is ready and its work is done` }
      },
    }),
  ]
}

/** How many web workers there are, on all hosts. */
export async function countWebWorkers(primary: AskPrimary): Promise<number> {
  const { workers } = granted(await primary({ command: 'status' }))
  return new Set(workers.filter(({ kind }) => kind === 'web').map(({ host, id }) => `${host} ${id}`)).size
}

/** What the overview of the console has beside it is not part of the contract. */
function present({
  startedAt,
  requests: _requests,
  revocationMs: _revocationMs,
  restarts: _restarts,
  ...worker
}: WorkerStatus): z.output<typeof workerSchema> {
  return { ...worker, startedAt: startedAt === null ? null : new Date(startedAt).toISOString() }
}
