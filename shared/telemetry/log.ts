/**
 * Logs: one JSON object a line, or lines for people on a terminal.
 *
 * Every line passes through one gate before it is written: the value of a field whose name says secret is
 * replaced at any depth, and URLs lose their credentials and query strings wherever they occur, in messages and
 * stacks too. A client cannot forge a line: control characters are always escaped. All of it happens in
 * `write`, so that what was logged is out when a process dies.
 */
import type { Writable } from 'node:stream'
import { pino, type DestinationStream, type Logger, type LoggerOptions } from 'pino'
import { prettyFactory, type PrettyOptions } from 'pino-pretty'
import type { LogLevel } from '../config/config.ts'
import { standardOutput, streamOutput, type LogGap } from './log-output.ts'
import { namesSecret, redacted, withoutUrlSecrets } from '../kernel/redact.ts'

export type { Logger } from 'pino'

export interface LogOptions {
  readonly level: LogLevel
  /** Lines for people instead of JSON. */
  readonly pretty: boolean
  /** Which kind of process writes. */
  readonly process?: 'primary' | 'web' | 'jobs'
  /** The worker's id, as on its responses. */
  readonly worker?: string
  /** Where lines go, if not to standard output. */
  readonly destination?: DestinationStream
  /** A stream of Node where they go instead: that of pm2, which is not the file. */
  readonly stream?: Writable
  /** Fields that are asked for anew for each line. */
  readonly extra?: () => object
}

export function createLogger(options: LogOptions): Logger {
  const settings = settingsOf(options)
  const describe = (gap: LogGap) => describeGap(settings, gap)
  const { destination, stream } = options
  return pino(settings, destination ?? (stream ? streamOutput(stream, describe) : standardOutput(describe)))
}

function settingsOf(options: LogOptions): LoggerOptions {
  const present = options.pretty ? prettyFactory(forPeople) : (line: string) => line
  return {
    level: options.level,
    base: { process: options.process, worker: options.worker, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }), log: describeErrors },
    ...(options.extra ? { mixin: options.extra } : {}),
    serializers: { err: (error: unknown) => error },
    hooks: { streamWrite: (line) => `${present(withoutSecrets(line)).trimEnd()}\n` },
  }
}

/** The line that stands for those that were lost. */
function describeGap(settings: LoggerOptions, gap: LogGap): string {
  let described = ''
  const log = pino({ ...settings, level: 'warn' }, { write: (line) => void (described = line) })
  log.warn(gap, 'log lines were lost')
  return described
}

const forPeople: PrettyOptions = {
  colorize: true,
  translateTime: 'SYS:HH:MM:ss.l',
  ignore: 'pid',
  singleLine: true,
  messageFormat: (line, messageKey) => String(line[messageKey] ?? '').replace(/\p{Cc}/gu, visible),
}

/** One finished line of JSON, without secrets and without characters that a terminal obeys. */
function withoutSecrets(line: string): string {
  const clean = JSON.parse(line, (name, value: unknown) => {
    if (namesSecret(name) && value !== null) return redacted
    return typeof value === 'string' ? withoutUrlSecrets(value).replace(unescapedByJson, visible) : value
  })
  return `${JSON.stringify(clean)}\n`
}

// JSON escapes the control characters below 0x20 by itself.
const unescapedByJson = /[\u007f-\u009f\u2028\u2029]/g

function visible(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

function describeErrors(fields: Record<string, unknown>): Record<string, unknown> {
  const entries = Object.entries(fields)
  if (!entries.some(([, value]) => value instanceof Error)) return fields
  return Object.fromEntries(
    entries.map(([name, value]) => [name, value instanceof Error ? describeError(value) : value]),
  )
}

/**
 * An error as it is logged. Only these fields: other properties may carry what was being processed (ioredis puts
 * the arguments of the failed command on its errors, the driver of Postgres the row).
 */
function describeError(error: Error, depth = 0): Record<string, unknown> {
  const { code } = error as NodeJS.ErrnoException
  return {
    type: error.name,
    message: error.message,
    ...(code === undefined ? {} : { code }),
    stack: error.stack,
    ...(error.cause instanceof Error && depth < 4 ? { cause: describeError(error.cause, depth + 1) } : {}),
    ...(error instanceof AggregateError && depth < 4
      ? {
          errors: error.errors.map((one) =>
            one instanceof Error ? describeError(one, depth + 1) : String(one),
          ),
        }
      : {}),
  }
}
