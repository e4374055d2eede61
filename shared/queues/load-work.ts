import type { AnyJob, Handler } from './job.ts'

/** What does a job in this process: its handler, or the module that is run in a thread. */
export type LoadedWork<Services> =
  | { readonly kind: 'handler'; readonly handler: Handler<unknown, Services> }
  | { readonly kind: 'sandbox'; readonly file: URL }

/**
 * Loads what does the job. Rejects when the handler's module fails to load or exports no handler: a job worker
 * finds that out as it starts, not at the first job.
 */
export async function loadWork<Services>({ name, work }: AnyJob<Services>): Promise<LoadedWork<Services>> {
  if (work.kind !== 'module') return work
  const { handler } = (await work.load()) as { handler?: Handler<unknown, Services> }
  if (typeof handler !== 'function') {
    throw new TypeError(`job ${JSON.stringify(name)}: the module that load imports exports no handler`)
  }
  return { kind: 'handler', handler }
}
