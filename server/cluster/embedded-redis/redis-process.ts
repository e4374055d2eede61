/** One run of a Redis server as a child of this process, from its start until its exit. */
import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { deadlineIn, remaining, type Deadline } from '../../../shared/kernel/lifecycle.ts'
import { answersAs, type Endpoint } from './endpoint.ts'
import type { Guard } from './guard.ts'
import { lockedExitCode } from './guard.ts'
import { commandOf, type RedisServer } from './server-version.ts'

export interface RedisExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** The last lines that it printed. */
  readonly lastWords: readonly string[]
}

export interface RedisProcess {
  readonly pid: number
  /** Resolves when the process is gone; never rejects. */
  readonly exited: Promise<RedisExit>
  /** Asks it to write what it has and go; kills it when it has not by the deadline. Resolves when it is gone. */
  stop(deadline: Deadline): Promise<void>
  kill(signal: NodeJS.Signals): void
}

export interface RedisProcessOptions {
  readonly server: RedisServer
  readonly guard: Guard
  readonly lockFile: string
  readonly endpoint: Endpoint
  /** Lines of redis.conf beside those about listening, in order, each a directive and its arguments. */
  readonly directives: readonly (readonly [string, ...string[]])[]
  /** When to give up waiting for its first answer. Loading a large file takes long. */
  readonly deadline: Deadline
  /** Gives up the start; what was started is killed. */
  readonly signal?: AbortSignal
  readonly onLine?: (line: string) => void
}

/** The server ended before it answered. */
export class RedisStartFailed extends Error {
  readonly exit: RedisExit
  /** Another server has the lock. */
  readonly locked: boolean

  constructor(exit: RedisExit) {
    super(`the Redis server ended at once (${describeExit(exit)}): ${exit.lastWords.slice(-5).join(' | ')}`)
    this.name = 'RedisStartFailed'
    this.exit = exit
    this.locked = exit.code === lockedExitCode
  }
}

/** Starts a server; resolves when it answers. One that fails to is gone when this rejects. */
export async function startRedisProcess(options: RedisProcessOptions): Promise<RedisProcess> {
  const identity = randomUUID()
  const redis = launch(options, identity)
  const answered = untilItAnswers(identity, options, redis.exited)
  const giveUp = () => redis.kill('SIGKILL')
  options.signal?.addEventListener('abort', giveUp, { once: true })
  const outcome = await Promise.race([redis.exited, answered])
  options.signal?.removeEventListener('abort', giveUp)
  if (outcome === 'answers') return redis
  if (outcome === 'silent') {
    redis.kill('SIGKILL')
    await redis.exited
    throw new Error('the Redis server did not answer in time')
  }
  throw new RedisStartFailed(outcome)
}

export function describeExit({ code, signal }: RedisExit): string {
  return signal ? `killed by ${signal}` : `exit code ${code}`
}

function launch(options: RedisProcessOptions, identity: string): RedisProcess {
  const { server, guard, lockFile, endpoint, directives, onLine } = options
  // `--port 0` as an argument: a server whose configuration never arrives then listens nowhere, and ends.
  const port = 'port' in endpoint ? endpoint.port : 0
  const command = [...commandOf(server), '-', '--port', String(port)]
  const [program = '', ...args] = guard.wrap(command, lockFile)
  const child = spawn(program, args, {
    // A session of its own: Ctrl-C reaches us alone, and we drain before the server goes.
    detached: true,
    stdio: guard.lifeline ? ['pipe', 'pipe', 'pipe', 'pipe'] : ['pipe', 'pipe', 'pipe'],
  })
  const { stdin, stdout, stderr } = child as ChildProcess & {
    stdin: Writable
    stdout: Readable
    stderr: Readable
  }

  const lastWords: string[] = []
  for (const output of [stdout, stderr]) {
    createInterface({ input: output }).on('line', (line) => {
      lastWords.push(line)
      if (lastWords.length > 20) lastWords.shift()
      onLine?.(line)
    })
  }
  const exited = new Promise<RedisExit>((resolve) => {
    child.once('error', (cause) => {
      lastWords.push(cause.message)
      resolve({ code: null, signal: null, lastWords })
    })
    // The watcher of the guard goes when the lifeline does, and holds it open for us until then.
    child.once('exit', () => (child.stdio[3] as Writable | undefined)?.destroy())
    child.once('close', (code, signal) => resolve({ code, signal, lastWords }))
  })

  // A server that ended before it read its configuration is reported by its exit.
  stdin.on('error', () => {})
  stdin.end(configuration(endpoint, [['syslog-ident', identity], ...directives]))

  const kill = (signal: NodeJS.Signals) => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    if (guard.lifeline && signal === 'SIGKILL') {
      // The shell in front would leave the server behind: the whole group, which is theirs alone, goes.
      process.kill(-child.pid, signal)
    } else child.kill(signal)
  }

  return {
    pid: child.pid ?? 0,
    exited,
    kill,
    async stop(deadline) {
      // SIGTERM is SHUTDOWN: the append-only file is flushed and synced before the server goes.
      kill('SIGTERM')
      const patience = setTimeout(kill, Math.max(0, remaining(deadline) - 50), 'SIGKILL')
      await exited
      clearTimeout(patience)
    },
  }
}

async function untilItAnswers(
  identity: string,
  { endpoint, deadline }: RedisProcessOptions,
  exited: Promise<unknown>,
): Promise<'answers' | 'silent'> {
  let gone = false
  void exited.then(() => (gone = true))
  while (!gone && remaining(deadline) > 0) {
    const attempt = deadlineIn(Math.min(1_000, remaining(deadline)))
    if (await answersAs(identity, endpoint, attempt)) return 'answers'
    await pause(10)
  }
  return 'silent'
}

function configuration(endpoint: Endpoint, directives: RedisProcessOptions['directives']): string {
  const listen: [string, ...string[]][] =
    'port' in endpoint
      ? [['bind', endpoint.host]]
      : [
          ['unixsocket', endpoint.path],
          ['unixsocketperm', '600'],
        ]
  return [...listen, ['daemonize', 'no'], ...directives]
    .map(([name, ...values]) => [name, ...values.map(quoted)].join(' ') + '\n')
    .join('')
}

/** A value as redis.conf reads it: in double quotes, with escapes. */
function quoted(value: string): string {
  return `"${value.replace(/["\\]/g, '\\$&').replace(/\n/g, '\\n')}"`
}
