/**
 * Traces of requests and jobs across processes, with OpenTelemetry. No one who does not ask for them pays for them:
 * its libraries are loaded only here, and where there is no `Tracing` no code of it is run.
 */
import type { Telemetry } from 'bullmq'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ObservedQuery } from '../../accounts/account-store.ts'
import type { Config } from '../../config/config.ts'
import type { Service } from '../../kernel/lifecycle.ts'
import { createLogger, type LogOptions, type Logger } from '../log.ts'

/** `start` and `stop` are those of the exporter: what is recorded goes out until `stop`, at its deadline at the latest. */
export interface Tracing extends Service {
  /** Serves a request within a span, which goes on where the caller's left off and ends with the answer. */
  request<T>(req: IncomingMessage, res: ServerResponse, facts: () => RequestFacts, serve: () => T): T
  /** Has BullMQ carry the trace from whoever adds a job to whoever works on it. */
  readonly jobs: Telemetry
  /** Tells of a query that the span has just made to the database. */
  query(query: ObservedQuery): void
  /** Adds facts to the span in which this is called, if it is called in one. */
  note(facts: Readonly<Record<string, string | number | boolean>>): void
}

/** What is known of a request when its answer is out. Nothing of it may be a secret. */
export interface RequestFacts {
  /** The pattern of its path; null: it had no route. */
  readonly route: string | null
  readonly secure: boolean
  readonly requestId: string
  readonly clientIp: string | null
  readonly userId: string | null
}

/** The log of a process and, where the configuration asks for them, its traces; log lines then name their trace. */
export async function openTracing(
  { tracing }: Pick<Config, 'tracing'>,
  logOptions: LogOptions,
): Promise<{ readonly log: Logger; readonly tracing?: Tracing }> {
  if (tracing === null) return { log: createLogger(logOptions) }
  const { createTracing, traceOfNow } = await import('./open-telemetry.ts')
  const log = createLogger({ ...logOptions, extra: traceOfNow })
  return {
    log,
    tracing: createTracing(tracing, { log, worker: `${logOptions.process}-${logOptions.worker}` }),
  }
}
