import cluster, { type Worker } from 'node:cluster'
import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import {
  assignmentEnvironment,
  processName,
  type WorkerAssignment,
  type WorkerRole,
} from '../../../shared/process/assignment.ts'
import type { ControlAnswer, WorkerState } from '../../../shared/process/control-request.ts'
import { parseWorkerMessage, type Heartbeat, type PrimaryMessage } from '../../../shared/process/messages.ts'
import { closeUntaken } from './untaken-connections.ts'

/** A program to run as a worker. */
export interface WorkerProgram {
  readonly exec: string
  /** What Node is told; left out: what this process was told. */
  readonly nodeArgs?: readonly string[]
  /** Beside the environment of this process; `undefined` takes a variable away. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** How large its heap may grow; null: as Node decides. */
  readonly heapMb?: number | null
}

export interface WorkerExit {
  readonly code: number | null
  readonly signal: string | null
}

export interface ForkOptions {
  readonly bootTimeoutMs: number
  /** Answers what the worker asks of its primary. */
  readonly answer: (request: unknown) => Promise<ControlAnswer>
}

/** A worker ended, or hung, before it was ready. */
export class WorkerBootFailed extends Error {
  constructor(assignment: WorkerAssignment, reason: string) {
    super(`${assignment.role} worker ${assignment.slot} did not start: ${reason}`)
    this.name = 'WorkerBootFailed'
  }
}

/** Heartbeats come once a second; what was slow is shown by whoever looks a moment later. */
const heartbeatsOfLate = 5

/** One worker as the primary sees it, from the fork to its end. */
export class WorkerHandle {
  readonly role: WorkerRole
  readonly slot: number
  /** What it is called where jobs are kept; its replacement is called otherwise. */
  readonly name: string
  /** On the monotonic clock. */
  readonly startedAt = performance.now()
  /** Where it listens, if it does. Rejects with `WorkerBootFailed`; one that takes too long is killed. */
  readonly ready: Promise<number | null>
  /** Resolves when it has ended and everything that it said has arrived. */
  readonly exited: Promise<WorkerExit>
  readonly #worker: Worker
  #state: Exclude<WorkerState, 'waiting'> = 'starting'
  #memberId: string | null = null
  #vitals: Heartbeat | null = null
  #heartbeats = 0
  /** Of the last heartbeats. */
  #revocations: (number | null)[] = []

  static fork(
    place: Pick<WorkerAssignment, 'role' | 'slot'>,
    program: WorkerProgram,
    options: ForkOptions,
  ): WorkerHandle {
    const assignment = { ...place, instance: randomBytes(9).toString('base64url') }
    const { nodeArgs = process.execArgv } = program
    const heap = program.heapMb ? [`--max-old-space-size=${program.heapMb}`] : []
    cluster.setupPrimary({ exec: program.exec, args: [], execArgv: [...nodeArgs, ...heap] })
    const worker = cluster.fork({ ...program.env, ...assignmentEnvironment(assignment) })
    closeUntaken(worker)
    return new WorkerHandle(worker, assignment, options)
  }

  private constructor(worker: Worker, assignment: WorkerAssignment, options: ForkOptions) {
    this.#worker = worker
    this.role = assignment.role
    this.slot = assignment.slot
    this.name = processName(assignment)
    this.exited = endOf(worker)
    this.ready = this.#readiness(assignment, options.bootTimeoutMs)
    // Whoever waits for `ready` is told; no one has to.
    this.ready.catch(() => {})
    this.#listen(options.answer)
  }

  /** As in X-Worker. A replacement has the same. */
  get id(): string {
    return `${this.role}-${this.slot}`
  }

  get pid(): number | undefined {
    return this.#worker.process.pid
  }

  get state(): Exclude<WorkerState, 'waiting'> {
    return this.#state
  }

  /** Whether it can be told something, because it has begun its work. */
  get isReady(): boolean {
    return this.#state !== 'starting'
  }

  /** Who it is among those that hold sessions; null when it holds none. */
  get memberId(): string | null {
    return this.#memberId
  }

  /** What it told of itself last. */
  get vitals(): Heartbeat | null {
    return this.#vitals
  }

  /** The longest that a revocation took of late; null when there was none. */
  get revocationMs(): number | null {
    return this.#revocations.reduce(
      (slowest, ms) => (ms === null ? slowest : Math.max(slowest ?? 0, ms)),
      null,
    )
  }

  /** How often it has shown that it is alive. */
  get heartbeats(): number {
    return this.#heartbeats
  }

  /** Has it tell balancers that the server will stop soon. */
  announceStop(): void {
    this.#send({ type: 'stop-ahead' })
  }

  /** Has it take over the jobs of a worker that has died. */
  passOnJobsOf(worker: string): void {
    this.#send({ type: 'departed', worker })
  }

  /** Asks it to finish within `graceMs` milliseconds. Safe twice, and when it has ended. */
  stop(graceMs: number): void {
    if (this.#state === 'ready') this.#state = 'draining'
    this.#send({ type: 'stop', graceMs })
  }

  kill(): void {
    this.#worker.process.kill('SIGKILL')
  }

  /** It does not show any life, and is killed. */
  giveUp(): void {
    this.#state = 'hung'
    this.kill()
  }

  #send(message: PrimaryMessage): void {
    // A worker that can't be told any more is ending, and `exited` says so.
    if (this.#worker.isConnected()) this.#worker.process.send(message, () => {})
  }

  #listen(answer: ForkOptions['answer']): void {
    this.#worker.on('message', (value: unknown) => {
      const message = parseWorkerMessage(value)
      switch (message?.type) {
        case 'heartbeat': {
          const { type: _type, ...vitals } = message
          this.#vitals = vitals
          this.#heartbeats += 1
          this.#revocations = [...this.#revocations, vitals.revocationMs].slice(-heartbeatsOfLate)
          return
        }
        case 'leaving':
          return this.#send({ type: 'goodbye' })
        case 'ask':
          void answer(message.request).then((given) =>
            this.#send({ type: 'answer', id: message.id, answer: given }),
          )
      }
    })
  }

  #readiness(assignment: WorkerAssignment, bootTimeoutMs: number): Promise<number | null> {
    return new Promise((resolve, reject) => {
      let reason: string | null = null
      const timer = setTimeout(() => {
        reason = `it was not ready within ${bootTimeoutMs} ms`
        this.kill()
      }, bootTimeoutMs)

      this.#worker.on('message', (value: unknown) => {
        const message = parseWorkerMessage(value)
        if (message?.type === 'failed') reason = message.reason
        if (message?.type !== 'ready' || reason !== null) return
        clearTimeout(timer)
        this.#state = 'ready'
        this.#memberId = message.memberId
        resolve(message.port)
      })
      void this.exited.then((exit) => {
        clearTimeout(timer)
        reject(new WorkerBootFailed(assignment, reason ?? `it ended (${describeExit(exit)})`))
      })
    })
  }
}

/** Resolves when the worker has ended and everything that it said has arrived. */
export async function endOf(worker: Worker): Promise<WorkerExit> {
  // Not 'disconnect': Node postpones that for ever when a connection waits that the worker did not take up.
  const closed = new Promise<void>((resolve) => worker.process.once('close', () => resolve()))
  const exit = await new Promise<WorkerExit>((resolve) => {
    worker.once('exit', (code: number | null, signal: string | null) => resolve({ code, signal }))
    worker.on('error', () => {
      // When the system refuses to fork there is no exit, only this.
      if (worker.process.pid === undefined) resolve({ code: null, signal: null })
    })
  })
  // The exit may overtake the last words, such as why it could not start.
  await Promise.race([closed, pause(500)])
  return exit
}

export function describeExit({ code, signal }: WorkerExit): string {
  if (signal !== null) return `signal ${signal}`
  return code === null ? 'it could not be forked' : `exit code ${code}`
}
