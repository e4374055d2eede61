/** What this host was told to do of late, how far it is with it, and what came of it: for those who asked and left. */
import type { Operation, OperationOutcome } from '../../../shared/process/control-request.ts'
import type { Progress } from '../supervision/supervisor.ts'

export interface RunningOperation {
  step(progress: Progress): void
  end(outcome: Exclude<OperationOutcome, 'running'>, message?: string): void
}

export interface Operations {
  begin(facts: Pick<Operation, 'command' | 'about' | 'workers'>): RunningOperation
  /** Newest first. */
  list(): readonly Operation[]
}

/** As many as a page shows. */
const mostKept = 10
/** Of a reload of many workers the last ones. */
const mostSteps = 64

type Noted = { -readonly [Field in keyof Operation]: Operation[Field] }

export function createOperations(now: () => number = Date.now): Operations {
  let operations: Noted[] = []
  let count = 0

  return {
    begin(facts) {
      count += 1
      const operation: Noted = {
        ...facts,
        id: count,
        startedAt: now(),
        endedAt: null,
        outcome: 'running',
        message: null,
        replaced: 0,
        steps: [],
      }
      operations = [operation, ...operations].slice(0, mostKept)
      return {
        step({ step, worker }) {
          operation.steps = [...operation.steps, { at: now(), step, worker }].slice(-mostSteps)
          if (step === 'ended') operation.replaced += 1
        },
        end(outcome, message) {
          operation.outcome = outcome
          operation.endedAt = now()
          operation.message = message ?? null
        },
      }
    },
    list: () => operations,
  }
}
