/**
 * Writes the audit trail behind the requests: noting something neither delays a request nor fails it. What is noted
 * waits in memory and is written in batches, again and again while the database is away, and before the worker ends.
 * Beyond `capacity`, or when the process is killed, entries are missing from the trail; the log has a line for each.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { createAuditIds, type AuditEntry, type AuditTrail } from '../../../../shared/accounts/audit.ts'
import { Unavailable } from '../../../../shared/kernel/errors.ts'
import { remaining, type Service } from '../../../../shared/kernel/lifecycle.ts'
import { condenseStrangers } from './condense-strangers.ts'
import type { Logger } from '../../../../shared/telemetry/log.ts'
import { namesSecret, redacted, withoutUrlSecrets } from '../../../../shared/kernel/redact.ts'

export interface AuditWriter extends Service {
  record(entry: Omit<AuditEntry, 'id'>): void
}

export interface AuditWriterOptions {
  readonly audit: Pick<AuditTrail, 'append'>
  readonly log: Logger
  /** How many entries may wait. */
  readonly capacity?: number
  /** How much those who are not signed in may add. */
  readonly strangers?: Parameters<typeof condenseStrangers>[1]
  /** The wait before trying again. */
  readonly retryMs?: number
}

const batchSize = 100
/** Long enough for the answer to be out and for others to join the batch. */
const gatherMs = 50

export function createAuditWriter(options: AuditWriterOptions): AuditWriter {
  const { audit, log, capacity = 10_000, retryMs = 1_000 } = options
  const nextId = createAuditIds()
  let waiting: AuditEntry[] = []
  let lost = 0
  let timer: NodeJS.Timeout | undefined
  let writing = Promise.resolve()
  let stopping = false

  const notes = condenseStrangers((entry) => {
    if (waiting.length >= capacity) {
      lost++
      return
    }
    waiting.push({ ...entry, id: nextId(entry.at), details: withoutSecrets(entry.details) })
    writeAfter(gatherMs)
  }, options.strangers)

  function writeAfter(ms: number): void {
    if (stopping) return
    timer ??= setTimeout(() => {
      writing = write().then((written) => {
        timer = undefined
        if (waiting.length > 0) writeAfter(written ? 0 : retryMs)
      })
    }, ms)
  }

  /** Writes one batch; false when the database is away and it has to be tried again. */
  async function write(): Promise<boolean> {
    const batch = waiting.slice(0, batchSize)
    try {
      await audit.append(batch)
    } catch (err) {
      log.warn({ err, waiting: waiting.length }, 'the audit trail could not be written')
      if (err instanceof Unavailable) return false
      // Nothing would get past a batch that the database will never take.
      lost += batch.length
    }
    waiting = waiting.slice(batch.length)
    if (lost > 0) log.error({ lost }, 'entries are missing from the audit trail; this log has them')
    lost = 0
    return true
  }

  return {
    record: notes.record,

    async start() {
      stopping = false
    },

    async stop(deadline) {
      notes.flush()
      stopping = true
      clearTimeout(timer)
      timer = undefined
      await writing
      while (waiting.length > 0 && remaining(deadline) > 0) {
        if (!(await write())) await pause(Math.min(retryMs, remaining(deadline)))
      }
      if (waiting.length > 0) {
        log.error({ lost: waiting.length }, 'entries are missing from the audit trail; this log has them')
      }
    },
  }
}

function withoutSecrets(details: AuditEntry['details']): AuditEntry['details'] {
  const text = JSON.stringify(details, (name, value: unknown) => {
    if (namesSecret(name) && value !== null) return redacted
    return typeof value === 'string' ? withoutUrlSecrets(value) : value
  })
  return JSON.parse(text) as AuditEntry['details']
}
