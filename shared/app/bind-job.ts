import type { AnyJob, Handler } from '../queues/job.ts'
import { askerOfJob, partsFor } from './on-behalf.ts'
import type { Parts } from './parts.ts'

/**
 * The job as job workers run it, its handler with the parts that are its feature's. `beforeRun` brings up to date what
 * this process does not follow all the time.
 */
export function bindJob(job: AnyJob, parts: Parts, beforeRun: () => Promise<void>): AnyJob<unknown> {
  const bound =
    (handler: Handler<unknown, never>): Handler<unknown, unknown> =>
    async (run) => {
      await beforeRun()
      return handler(run, partsFor(askerOfJob(run.onBehalfOf), parts) as never)
    }
  const { work } = job
  switch (work.kind) {
    case 'handler':
      return { ...job, work: { kind: 'handler', handler: bound(work.handler) } }
    case 'module':
      return {
        ...job,
        work: { kind: 'module', load: async () => ({ handler: bound(handlerOf(await work.load())) }) },
      }
    case 'sandbox':
      return { ...job, work }
  }
}

/** What a module does not export is found out by whoever loads it. */
function handlerOf({ handler }: { readonly handler: Handler<unknown, never> }): Handler<unknown, never> {
  if (typeof handler !== 'function') throw new TypeError('the module that load imports exports no handler')
  return handler
}
