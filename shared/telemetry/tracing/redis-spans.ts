import { SpanKind, SpanStatusCode, trace, type Span } from '@opentelemetry/api'
import { tracingChannel, type TracingChannelSubscribers } from 'node:diagnostics_channel'
import { isUnknownScript, scriptName } from '../../kernel/redis/script.ts'
import { tracerName } from './names.ts'

/** What ioredis publishes of a command. Its `args` hold values, so nothing here tells them. */
interface Command {
  readonly command: string
  readonly args: readonly string[]
  readonly serverAddress: string
  readonly serverPort: number | undefined
  readonly database: number
  readonly error?: unknown
}

/**
 * Makes each command to Redis that a request or a job waits for a span of kind CLIENT, until the function that it
 * returns is called. What runs beside them (leases, heartbeats, fetching jobs) would drown them, and has no span.
 * Conventions: https://opentelemetry.io/docs/specs/semconv/database/redis/
 */
export function traceRedis(): () => void {
  const channel = tracingChannel<string, Command>('ioredis:command')
  const spans = new WeakMap<Command, Span>()
  const subscribers: TracingChannelSubscribers<Command> = {
    start(command) {
      if (trace.getActiveSpan()?.isRecording()) spans.set(command, startSpan(command))
    },
    error(command) {
      if (isUnknownScript(command.error)) return
      const kind = command.error instanceof Error ? command.error.name : 'Error'
      spans.get(command)?.setAttribute('error.type', kind).setStatus({ code: SpanStatusCode.ERROR })
    },
    end() {},
    asyncStart() {},
    asyncEnd(command) {
      spans.get(command)?.end()
    },
  }
  channel.subscribe(subscribers)
  return () => void channel.unsubscribe(subscribers)
}

function startSpan({ command, args, serverAddress, serverPort, database }: Command): Span {
  const operation = command.toUpperCase()
  const script = operation.startsWith('EVAL') ? scriptName(args[0] ?? '') : undefined
  return trace.getTracer(tracerName).startSpan(script === undefined ? operation : `${operation} ${script}`, {
    kind: SpanKind.CLIENT,
    attributes: {
      'db.system.name': 'redis',
      'db.operation.name': operation,
      'db.stored_procedure.name': script,
      'db.namespace': String(database),
      'server.address': serverAddress,
      'server.port': serverPort,
    },
  })
}
