import { Unavailable } from '../../../kernel/errors.ts'
import { problem, Problem } from '../../../app/problem.ts'

/** The longest that anything on the dashboard may take; Redis' own commands are given up much earlier. */
const longestMs = 10_000

/** Runs what bull-board does, within the bound, and says in our words why it failed. */
export async function attempt<T>(work: () => Promise<T> | T): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Unavailable('redis')), longestMs)
  })
  try {
    return await Promise.race([work(), patience])
  } catch (fault) {
    throw explained(fault)
  } finally {
    clearTimeout(timer)
  }
}

function explained(fault: unknown): unknown {
  if (!(fault instanceof Error) || fault instanceof Problem || 'status' in fault) return fault
  if (isOutage(fault)) return new Unavailable('redis', { cause: fault })
  // What BullMQ refuses, it throws as bare errors: a job that is gone, done, or being worked on.
  if (fault.constructor !== Error) return fault
  const gone = (fault as { code?: unknown }).code === -1
  return problem(gone ? 'not-found' : 'conflict', fault.message, { cause: fault })
}

function isOutage({ name, message, code }: NodeJS.ErrnoException): boolean {
  return (
    ['ReplyError', 'MaxRetriesPerRequestError', 'AbortError', 'ClusterAllFailedError'].includes(name) ||
    typeof code === 'string' ||
    /^Command timed out|^Connection is closed|isn't writeable|^Socket closed/i.test(message)
  )
}
