/** What administrators do with worker processes, whether a program or a page asks. Commands act on the host that answers. */
import type { AppContext } from '../../../../shared/app/context.ts'
import { problem, Problem } from '../../../../shared/app/problem.ts'
import type {
  ControlAnswer,
  ControlResults,
  WorkerCounts,
} from '../../../../shared/process/control-request.ts'
import type { AskPrimary } from '../../../../shared/process/primary-handle.ts'
import type { RecordAuthEvent } from '../auth/auth-events.ts'

export interface WorkerOperationParts {
  /** Asks the primary of this worker. */
  readonly primary: AskPrimary
  readonly recordAuthEvent: RecordAuthEvent
}

export type WorkerOperations = ReturnType<typeof createWorkerOperations>

export function createWorkerOperations({ primary, recordAuthEvent }: WorkerOperationParts) {
  return {
    async status(): Promise<ControlResults['status']> {
      return granted(await primary({ command: 'status' }))
    },
    async overview(): Promise<ControlResults['overview']> {
      return granted(await primary({ command: 'overview' }))
    },
    /** Gives the numbers that it leads to. */
    async scale(
      ctx: AppContext,
      wanted: { readonly web?: number | undefined; readonly jobs?: number | undefined },
    ): Promise<WorkerCounts> {
      const counts = granted(await primary({ command: 'scale', ...wanted }))
      recordAuthEvent(ctx, 'workers-scaled', wanted)
      return counts
    },
    async reload(ctx: AppContext): Promise<void> {
      granted(await primary({ command: 'reload' }))
      recordAuthEvent(ctx, 'workers-reloaded', {})
    },
    async drain(ctx: AppContext, id: string): Promise<void> {
      granted(await primary({ command: 'drain', id }))
      recordAuthEvent(ctx, 'worker-drained', { worker: id })
    },
  }
}

/** The result, or the problem that the client is told. */
export function granted<Result>(answer: ControlAnswer<Result>): Result {
  if (answer.ok) return answer.result
  switch (answer.code) {
    case 'no-such-worker':
      throw problem('not-found', answer.message)
    case 'not-allowed':
      throw problem('conflict', answer.message)
    case 'stopping':
    case 'failed':
      throw problem('unavailable', answer.message)
    case 'invalid':
      throw new Problem(422, 'invalid-fields', 'Invalid fields', answer.message)
  }
}
