import { messageOf } from '../../../shared/kernel/errors.ts'
import type { Logger } from '../../../shared/telemetry/log.ts'
import {
  mostWorkers,
  parseControlRequest,
  parseWorkerId,
  refusal,
  type CheckedRequest,
  type ControlAnswer,
  type ControlResults,
  type Operation,
  type WorkerCounts,
} from '../../../shared/process/control-request.ts'
import type { Hosts } from '../boot/hosts.ts'
import { createOperations } from './operations.ts'
import type { Recent } from './recent.ts'
import { SlotRetired } from '../supervision/slot.ts'
import { SupervisorStopping, type Supervisor, type TellProgress } from '../supervision/supervisor.ts'

export interface ControlParts {
  readonly supervisor: Pick<Supervisor, 'reload' | 'scale' | 'drain' | 'count' | 'has'>
  readonly hosts: Pick<Hosts, 'all'>
  /** How the workers have been of late. */
  readonly recent: Pick<Recent, 'everyMs' | 'workers'>
  /** The name of this host. */
  readonly host: string
  /** Where Redis is; null: this primary has nothing to do with one. */
  readonly redis: ControlResults['redis'] | null
  /** Why there must not be so many web workers, or null. */
  readonly objection: (web: number) => Promise<string | null>
  readonly log: Logger
}

/** Carries out what the command line and the administrators ask for. */
export interface Control {
  /**
   * Answers anything at all, with a refusal where it can't be done; never rejects. Without `wait` in the request the
   * answer says that it has begun, and the log how it went.
   */
  answer(request: unknown, tell?: TellProgress): Promise<ControlAnswer>
  /** The same, but only what may be asked on behalf of others than the user of this process. */
  answerWorker(request: unknown): Promise<ControlAnswer>
  /** Adds so many web workers to those that there are or will be, or takes some away; one stays. */
  addWebWorkers(count: number): Promise<ControlAnswer>
}

type Counts = Partial<WorkerCounts>

interface Work extends Pick<Operation, 'about' | 'workers'> {
  readonly tell: TellProgress
  readonly work: (tell: TellProgress) => Promise<unknown>
}

export function createControl(parts: ControlParts): Control {
  const { supervisor, hosts, recent, host, redis, objection, log } = parts
  const operations = createOperations()

  async function carryOut(request: CheckedRequest, tell: TellProgress): Promise<ControlAnswer> {
    switch (request.command) {
      case 'status':
        return done({ host, workers: await hosts.all() } satisfies ControlResults['status'])
      case 'overview':
        return done({
          host,
          workers: await hosts.all(),
          recent: { everyMs: recent.everyMs, workers: recent.workers() },
          operations: operations.list(),
        } satisfies ControlResults['overview'])
      case 'redis':
        return redis === null ? refusal('invalid', 'this primary knows of no Redis') : done(redis)
      case 'reload':
        return begun(
          request,
          { replaced: 0 },
          {
            about: null,
            workers: supervisor.count('web') + supervisor.count('jobs'),
            tell,
            work: async (told) => ({ replaced: await supervisor.reload(told, request.parallel) }),
          },
        )
      case 'scale':
        return scale(request, () => ({ web: request.web, jobs: request.jobs }), tell)
      case 'drain': {
        const { id } = request
        if (parseWorkerId(id) === null || !supervisor.has(id)) {
          const where = `on this host (${host}); commands act on the host that answers them`
          return refusal('no-such-worker', `there is no worker ${JSON.stringify(id)} ${where}`)
        }
        return begun(
          request,
          { id },
          {
            about: id,
            workers: 1,
            tell,
            async work(told) {
              await supervisor.drain(id, told)
              return { id }
            },
          },
        )
      }
    }
  }

  /** Changes of numbers are decided one after the other, so that the last one asked for is the last to begin. */
  let deciding: Promise<unknown> = Promise.resolve()

  async function scale(
    request: { command: 'scale'; wait: boolean },
    wanted: () => Counts,
    tell: TellProgress,
  ): Promise<ControlAnswer> {
    const decided = deciding.then(() => decide(request, wanted(), tell))
    deciding = decided.catch(() => {})
    return (await decided).answer
  }

  /** In an object, since whoever is next need not wait until it is done. */
  async function decide(
    request: { command: 'scale'; wait: boolean },
    { web, jobs }: Counts,
    tell: TellProgress,
  ): Promise<{ answer: Promise<ControlAnswer> | ControlAnswer }> {
    if (web !== undefined && web > supervisor.count('web')) {
      const reason = await objection(web)
      if (reason !== null) return { answer: refusal('not-allowed', reason) }
    }
    const expected = { web: web ?? supervisor.count('web'), jobs: jobs ?? supervisor.count('jobs') }
    const answer = begun(request, expected, {
      about: [web === undefined ? [] : `web ${web}`, jobs === undefined ? [] : `jobs ${jobs}`]
        .flat()
        .join(', '),
      workers: null,
      tell,
      async work(told) {
        await Promise.all([
          web === undefined ? null : supervisor.scale('web', web, told),
          jobs === undefined ? null : supervisor.scale('jobs', jobs, told),
        ])
        return expected
      },
    })
    return { answer }
  }

  /** What is asked for has begun; whoever does not wait for it learns from the log that it failed. */
  async function begun(
    { command, wait }: { command: Operation['command']; wait: boolean },
    expected: unknown,
    { about, workers, tell, work }: Work,
  ): Promise<ControlAnswer> {
    log.info({ command }, 'a command is carried out')
    const operation = operations.begin({ command, about, workers })
    const working = work((progress) => {
      operation.step(progress)
      tell(progress)
    })
    working.then(
      () => operation.end('done'),
      (cause: unknown) => operation.end(isEnding(cause) ? 'overtaken' : 'failed', messageOf(cause)),
    )
    if (wait) return working.then(done, failed)
    working.catch((err: unknown) => {
      if (!isEnding(err)) log.error({ err, command }, 'a command failed')
    })
    return done(expected)
  }

  async function answer(request: unknown, tell: TellProgress = () => {}): Promise<ControlAnswer> {
    const checked = parseControlRequest(request)
    if ('problem' in checked) return refusal('invalid', checked.problem)
    return carryOut(checked, tell).catch(failed)
  }

  return {
    answer,
    async answerWorker(request) {
      const secret = (request as { command?: unknown } | null)?.command === 'redis'
      return secret ? refusal('not-allowed', 'a worker has been told already') : answer(request)
    },
    addWebWorkers(count) {
      const wanted = () => ({ web: Math.min(Math.max(1, supervisor.count('web') + count), mostWorkers) })
      return scale({ command: 'scale' as const, wait: false }, wanted, () => {}).catch(failed)
    },
  }
}

function done(result: unknown): ControlAnswer {
  return { ok: true, result }
}

function failed(cause: unknown): ControlAnswer {
  const message = messageOf(cause)
  return refusal(isEnding(cause) ? 'stopping' : 'failed', message)
}

/** It was overtaken by a stop or a change of numbers, which is no failure. */
function isEnding(cause: unknown): boolean {
  return cause instanceof SupervisorStopping || cause instanceof SlotRetired
}
