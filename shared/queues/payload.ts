import type { AnyJob } from './job.ts'
import { notPlain, plainCopy } from './plain-copy.ts'

export interface PayloadProblem {
  /** Path in the payload, such as `to` or `lines.2.text`; empty for the payload as a whole. */
  readonly field: string
  readonly message: string
}

/** The payload is not what the job takes. Never repeats a value: it may be a secret. */
export class InvalidPayload extends Error {
  readonly status = 422
  readonly expose = true
  readonly job: string
  readonly problems: readonly PayloadProblem[]

  constructor(job: string, problems: readonly PayloadProblem[]) {
    const named = problems.map(({ field, message }) => (field === '' ? message : `${field}: ${message}`))
    super(`not a payload of the job ${job}: ${named.join('; ')}`)
    this.name = 'InvalidPayload'
    this.job = job
    this.problems = problems
  }
}

/** Larger things belong in a store, with their key in the payload: Redis holds every job in memory. */
export const payloadLimitBytes = 256 * 1024

/**
 * The payload as it will be stored, after a trip through JSON. It is checked by the job's schema, but not
 * replaced by what the schema makes of it: that happens once, when the job is run.
 */
export function checkPayload(job: AnyJob, payload: unknown): unknown {
  const plain = plainCopy(payload, payloadLimitBytes)
  const stored = plain === notPlain ? throughJson(job.name, payload) : plain
  parsePayload(job, stored)
  return stored
}

function throughJson(job: string, payload: unknown): unknown {
  const text = asJson(job, payload)
  if (Buffer.byteLength(text) > payloadLimitBytes) {
    throw new InvalidPayload(job, [{ field: '', message: `larger than ${payloadLimitBytes} bytes` }])
  }
  return JSON.parse(text)
}

/** The stored payload as the handler gets it. */
export function parsePayload(job: AnyJob, stored: unknown): unknown {
  const parsed = job.payload.safeParse(stored)
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.flatMap((issue): PayloadProblem[] => {
    const path = issue.path.map(String)
    if (issue.code !== 'unrecognized_keys') return [{ field: path.join('.'), message: issue.message }]
    return issue.keys.map((key) => ({ field: [...path, key].join('.'), message: 'is not a field of it' }))
  })
  throw new InvalidPayload(job.name, problems)
}

function asJson(job: string, payload: unknown): string {
  try {
    return JSON.stringify(payload ?? {})
  } catch (cause) {
    throw new InvalidPayload(job, [{ field: '', message: `not JSON (${(cause as Error).name})` }])
  }
}
