/**
 * One attempt at one job: the payload checked, the time limited, the end told to BullMQ.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { UnrecoverableError, WaitingError, type Job as BullJob } from 'bullmq'
import { childResults } from './flow.ts'
import type { AnyJob, JobRun, Log } from './job.ts'
import type { LoadedWork } from './load-work.ts'
import { InvalidPayload, parsePayload } from './payload.ts'
import { Interruption, type RunningJob } from './running-jobs.ts'
import { runSandboxed, type ThreadOptions } from './sandbox.ts'
import { parseStoredJob } from './stored-job.ts'

/** How long a handler may take to notice that its signal was aborted, before the job is given away. */
export const settleMs = 250

/** What all attempts at one job share in this process. */
export interface AttemptSurroundings<Services> {
  readonly work: LoadedWork<Services>
  readonly services: Services
  readonly log: Log
  readonly threads: ThreadOptions
}

/**
 * Resolves to the job's result; rejects with what the handler threw, or with the `Interruption`. When the process
 * stops, or is not sure of its lock any more, the job is put back to the head of its queue, which costs it no
 * attempt.
 */
export async function runAttempt<Services>(
  job: AnyJob<Services>,
  bull: BullJob,
  token: string,
  running: RunningJob,
  surroundings: AttemptSurroundings<Services>,
): Promise<unknown> {
  const timeout = setTimeout(
    () => running.interrupt(new Interruption('timeout', `took longer than ${job.timeoutMs} ms`)),
    job.timeoutMs,
  )
  const log = lazily(() => surroundings.log.child({ job: job.name, jobId: bull.id }))
  const work = startWork(job, bull, running, log, surroundings)
  const settled = work.then(ignore, ignore)
  try {
    const why = await Promise.race([settled, running.interrupted])
    // Handlers answer an abort with all kinds of errors, or return what they have: that is no result.
    if (why === undefined) return await work
    await Promise.race([settled, wait(settleMs, undefined, { ref: false })])
    if (why.kind === 'timeout') throw why
    if (why.kind === 'cancelled') throw new UnrecoverableError(why.message)
    return await putBack(bull, token, why, log())
  } finally {
    clearTimeout(timeout)
    running.end()
  }
}

async function startWork<Services>(
  job: AnyJob<Services>,
  bull: BullJob,
  running: RunningJob,
  log: () => Log,
  { work, services, threads }: AttemptSurroundings<Services>,
): Promise<unknown> {
  const { payload, tick, cancelled } = readStored(bull)
  if (cancelled !== undefined) throw new UnrecoverableError(cancelledText(cancelled))
  const run: JobRun<unknown> = {
    id: bull.id as string,
    data: readPayload(job, payload),
    attempt: bull.attemptsMade + 1,
    scheduledFor: tick === undefined ? null : new Date(tick),
    get signal() {
      return running.signal
    },
    get log() {
      return log()
    },
    childResults: async () => childResults(await bull.getChildrenValues(), bull.prefix),
    progress: (value) => bull.updateProgress(value as object),
  }
  return work.kind === 'handler' ? work.handler(run, services) : runSandboxed(work.file, run, threads)
}

function lazily<T>(make: () => T): () => T {
  let made: T | undefined
  return () => (made ??= make())
}

export function cancelledText(reason: string): string {
  return `cancelled: ${reason}`
}

/** Trying again would not make a wrong payload right. */
function readPayload(job: AnyJob, payload: unknown): unknown {
  try {
    return parsePayload(job, payload)
  } catch (failure) {
    if (failure instanceof InvalidPayload) throw new UnrecoverableError(failure.message)
    throw failure
  }
}

function readStored(bull: BullJob) {
  try {
    return parseStoredJob(bull.data)
  } catch (failure) {
    throw new UnrecoverableError((failure as Error).message)
  }
}

/**
 * Puts the job back and tells BullMQ so. When that fails BullMQ is told the same: the job is another worker's by
 * now, or will be when its lock has run out.
 */
async function putBack(bull: BullJob, token: string, { kind }: Interruption, log: Log): Promise<never> {
  try {
    await bull.moveToWait(token)
    log.info({ reason: kind }, 'the job was handed over')
  } catch (cause) {
    log.warn({ reason: kind, err: cause }, 'the job could not be handed over')
  }
  throw new WaitingError()
}

function ignore(): void {}
