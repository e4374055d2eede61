/**
 * One attempt at one job: the payload checked, the time limited, the end told to BullMQ.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { UnrecoverableError, WaitingError, type Job as BullJob } from 'bullmq'
import { endedBehalf, type BehalfWatch, type BehalfWatched } from './behalf.ts'
import { Cancelled, cancelledText } from './cancellation.ts'
import { childResults } from './flow.ts'
import type { AnyJob, JobRun, Log } from './job.ts'
import type { LoadedWork } from './load-work.ts'
import { InvalidPayload, parsePayload } from './payload.ts'
import { Interruption, type RunningJob } from './running-jobs.ts'
import { runSandboxed, type ThreadOptions } from './sandbox.ts'
import { parseStoredJob, type StoredJob } from './stored-job.ts'

/** How long a handler may take to notice that its signal was aborted, before the job is given away. */
export const settleMs = 250

/** What all attempts at one job share in this process. */
export interface AttemptSurroundings<Services> {
  readonly work: LoadedWork<Services>
  readonly services: Services
  readonly log: Log
  readonly threads: ThreadOptions
  /** Without one, jobs on behalf of a user are not done. */
  readonly behalves?: BehalfWatch | undefined
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
  let timeout: NodeJS.Timeout | undefined
  const limitTime = () => {
    timeout = setTimeout(
      () => running.interrupt(new Interruption('timeout', `took longer than ${job.timeoutMs} ms`)),
      job.timeoutMs,
    )
  }
  const log = lazily(() => surroundings.log.child({ job: job.name, jobId: bull.id }))
  const watched = watchOver(bull, running, surroundings)
  const work = startWork(job, bull, running, log, surroundings, watched, limitTime)
  const settled = work.then(ignore, ignore)
  try {
    const why = await Promise.race([settled, running.interrupted])
    // Handlers answer an abort with all kinds of errors, or return what they have: that is no result.
    if (why === undefined) return await work
    await Promise.race([settled, wait(settleMs, undefined, { ref: false })])
    if (why.kind === 'timeout') throw why
    if (why.kind === 'cancelled') throw await cancelledBy(why, bull)
    return await putBack(bull, token, why, log())
  } finally {
    clearTimeout(timeout)
    watched?.release()
    running.end()
  }
}

async function startWork<Services>(
  job: AnyJob<Services>,
  bull: BullJob,
  running: RunningJob,
  log: () => Log,
  { work, services, threads }: AttemptSurroundings<Services>,
  watched: BehalfWatched | null,
  limitTime: () => void,
): Promise<unknown> {
  const { payload, tick, cancelled, behalf = null } = readStored(bull)
  if (cancelled !== undefined) throw new Cancelled(cancelledText(cancelled))
  if (watched !== null) {
    await watched.known
    running.signal.throwIfAborted()
  } else if (behalf !== null) throw new Error('this process cannot tell whether the session has ended')
  limitTime()
  const run: JobRun<unknown> = {
    id: bull.id as string,
    data: readPayload(job, payload),
    attempt: bull.attemptsMade + 1,
    scheduledFor: tick === undefined ? null : new Date(tick),
    onBehalfOf: behalf,
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

/** Null where the job is done on behalf of no user, and where this process can't tell. */
function watchOver<Services>(
  bull: BullJob,
  running: RunningJob,
  { behalves }: AttemptSurroundings<Services>,
): BehalfWatched | null {
  const { behalf, cancelled } = storedOr(bull, {})
  if (behalf === undefined || cancelled !== undefined || behalves === undefined) return null
  const reason = endedBehalf[behalf.kind]
  return behalves.watch(behalf, () =>
    running.interrupt(new Interruption('cancelled', cancelledText(reason), reason)),
  )
}

/** The reason is kept with the job, so that it is not done again either. */
async function cancelledBy({ message, cancelled }: Interruption, bull: BullJob): Promise<Cancelled> {
  // What can't be written now is found out again by anyone who takes the job up: what has ended stays so.
  if (cancelled !== null) await bull.updateData({ ...storedOr(bull, {}), cancelled }).catch(ignore)
  return new Cancelled(message)
}

function storedOr(bull: BullJob, otherwise: StoredJob): StoredJob {
  try {
    return parseStoredJob(bull.data)
  } catch {
    return otherwise
  }
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
