/**
 * A process as a worker of our primary, whatever it serves: it says when it is ready, that it lives, and why it could not
 * start; and it stops without losing a request. Started alone or by pm2 it does the same on a signal, so that the
 * program of a worker is also the program of a server with one process.
 */
import cluster from 'node:cluster'
import { once } from 'node:events'
import type { Server } from 'node:http'
import { watchConnections, type Connections } from '../../http/connections.ts'
import { remaining, type Deadline } from '../../../shared/kernel/lifecycle.ts'
import { processName, readAssignment, type WorkerAssignment } from '../../../shared/process/assignment.ts'
import { openEntry } from '../../../shared/process/entry.ts'
import { alone, runWorker, supervised, type RunnableWorker } from '../../../shared/process/run-worker.ts'
import { createLogger, type Logger } from '../../../shared/telemetry/log.ts'

export interface JoinOptions {
  /** What `http.createServer()` or Koa's `app.listen()` gives, listening or about to. Without one: no web worker. */
  readonly server?: Server
  /** What has to be there before this worker counts as ready. When it rejects, that is why the worker did not start. */
  readonly start?: () => Promise<unknown>
  /** What was opened is closed here, after the last request was answered; all of it within so many milliseconds. */
  readonly stop?: (graceMs: number) => unknown
  /** The server will stop soon, and goes on as before until then: the moment to fail a readiness check. */
  readonly onStopAhead?: () => void
  /** A job worker of this name has died: others may go on with its jobs at once. */
  readonly takeOver?: (worker: string) => Promise<void>
  /** Where no primary says how long: what is under way has so long to finish. Default 15 s. */
  readonly graceMs?: number
  /** A pino logger, or one like it. Default: JSON on standard output, lines for people on a terminal. */
  readonly log?: Pick<Logger, 'debug' | 'info' | 'warn' | 'error' | 'fatal'>
}

export interface ClusterMember {
  /** `web-1`: its place, which its replacement takes over. Null without a primary. */
  readonly id: string | null
  /** Of this process alone: no two alike, also not one after the other. Null without a primary. */
  readonly name: string | null
  /** Aborted when this worker begins to stop: the end for what would go on for ever. */
  readonly stopping: AbortSignal
}

const options = ['server', 'start', 'stop', 'onStopAhead', 'takeOver', 'graceMs', 'log']

/** To be called once, as early as the server is made: what fails before is told by the exit code alone. */
export function joinCluster(given: JoinOptions = {}): ClusterMember {
  refuseMistakes(given)
  // A process that a worker has started inherits what was assigned to the worker.
  const assignment = cluster.isWorker ? readAssignment(process.env) : null
  const stopping = new AbortController()
  const worker = createWorker(given, stopping)
  const entry = openEntry()
  const logOptions = {
    level: 'info',
    pretty: process.stdout.isTTY,
    process: assignment?.role ?? 'web',
    ...(assignment ? { worker: String(assignment.slot) } : {}),
  } as const
  const log = (given.log as Logger | undefined) ?? createLogger(logOptions)
  const host = assignment ? supervised(entry) : alone((reason) => process.stderr.write(`${reason}\n`))
  const opened = { worker, log, logOptions, graceMs: given.graceMs ?? 15_000 }
  runWorker(entry, host, async () => opened).catch(entry.fail)
  return { ...namesOf(assignment), stopping: stopping.signal }
}

function namesOf(assignment: WorkerAssignment | null): Pick<ClusterMember, 'id' | 'name'> {
  if (assignment === null) return { id: null, name: null }
  return { id: `${assignment.role}-${assignment.slot}`, name: processName(assignment) }
}

function createWorker(given: JoinOptions, stopping: AbortController): RunnableWorker {
  const { server, start, stop, onStopAhead, takeOver } = given
  const connections = server === undefined ? null : watched(server)
  let stopped: Promise<void> | null = null

  async function end(deadline: Deadline): Promise<void> {
    stopping.abort()
    if (server?.listening) await connections?.drain(deadline)
    // Ends the timer that watches for slow clients; before, it would cut idle connections.
    if (server?.listening === false) server.close(() => {})
    await stop?.(remaining(deadline))
  }

  return {
    async start() {
      await start?.()
      if (server && !server.listening) await once(server, 'listening')
    },
    stop: (deadline) => (stopped ??= end(deadline)),
    get port() {
      const address = server?.address()
      return typeof address === 'object' && address !== null ? address.port : undefined
    },
    ...(onStopAhead ? { announceStop: onStopAhead } : {}),
    ...(takeOver ? { takeOver } : {}),
  }
}

/** Before its own listeners: none of them may answer a connection that is not watched. */
function watched(server: Server): Connections {
  const connections = watchConnections(server)
  server.prependListener('request', connections.asked)
  return connections
}

let joined = false

function refuseMistakes(given: JoinOptions): void {
  const unknown = Object.keys(given).find((name) => !options.includes(name))
  if (unknown !== undefined) throw new TypeError(`joinCluster has no option ${unknown}`)
  const { server } = given as { server?: Partial<Server> }
  if (
    server !== undefined &&
    (typeof server.listening !== 'boolean' || typeof server.address !== 'function')
  ) {
    throw new TypeError(
      'joinCluster: server must be a server of node:http, as http.createServer() and app.listen() give it, not an application',
    )
  }
  if (joined) throw new TypeError('joinCluster was called before: a process is one worker')
  joined = true
}
