/**
 * What of a job may be shown. Fields whose name says secret, and those that the job's declaration names, are hidden at
 * any depth; and their values are hidden wherever else they turn up: a handler that fails often says what it was
 * working on, in its error, its logs or its progress.
 */
import type { QueueJobJson } from '@bull-board/api/typings/app'
import { namesSecret, redacted, withoutUrlSecrets } from '../../../kernel/redact.ts'

export interface Redactor {
  value(value: unknown): unknown
  text(text: string): string
}

/** Shorter ones would be found everywhere by chance, and tell by their absence what they were. */
const shortestSecret = 4
const deepest = 40

/** @param data what the secrets are taken from. */
export function createRedactor(secretFields: readonly string[], data: unknown): Redactor {
  const hides = (field: string) => namesSecret(field) || secretFields.includes(field)
  const secrets = [...secretsIn(data, hides)]
    .flatMap(spellings)
    .sort((one, other) => other.length - one.length)

  function text(shown: string): string {
    return withoutUrlSecrets(secrets.reduce((rest, secret) => rest.replaceAll(secret, redacted), shown))
  }

  function value(shown: unknown, depth = 0): unknown {
    if (typeof shown === 'string') return text(shown)
    if (typeof shown !== 'object' || shown === null) return shown
    if (depth === deepest) return '…'
    if (Array.isArray(shown)) return shown.map((each) => value(each, depth + 1))
    return Object.fromEntries(
      Object.entries(shown).map(([field, each]) => [
        field,
        hides(field) && each !== null ? redacted : value(each, depth + 1),
      ]),
    )
  }

  return { value: (shown) => value(shown), text }
}

/** The job as bull-board may see it. */
export function redactJob(job: QueueJobJson, secretFields: readonly string[]): QueueJobJson {
  const { value, text } = createRedactor(secretFields, job.data)
  return {
    ...job,
    data: value(job.data),
    returnvalue: value(job.returnvalue),
    progress: value(job.progress) as QueueJobJson['progress'],
    opts: value(job.opts),
    failedReason: job.failedReason && text(job.failedReason),
    // What is stored may be anything.
    stacktrace: Array.isArray(job.stacktrace) ? job.stacktrace.map((trace) => text(String(trace))) : null,
    ...(job.deferredFailure === undefined ? {} : { deferredFailure: text(job.deferredFailure) }),
  }
}

/** Whether something that was shown redacted is about to be stored. */
export function isRedacted(value: unknown): boolean {
  return JSON.stringify(value ?? null).includes(redacted)
}

function* secretsIn(
  data: unknown,
  hides: (field: string) => boolean,
  inside = false,
  depth = 0,
): Generator<string> {
  if (inside && ['string', 'number'].includes(typeof data)) {
    if (String(data).length >= shortestSecret) yield String(data)
  }
  if (typeof data !== 'object' || data === null || depth === deepest) return
  for (const [field, each] of Object.entries(data)) {
    yield* secretsIn(each, hides, inside || (!Array.isArray(data) && hides(field)), depth + 1)
  }
}

/** As it is, and as JSON and URLs write it. */
function spellings(secret: string): string[] {
  const inJson = JSON.stringify(secret).slice(1, -1)
  return [...new Set([secret, inJson, inUrl(secret)])].filter((each) => each.length >= shortestSecret)
}

function inUrl(secret: string): string {
  // Half characters can't be in a URL, and would make this throw.
  return encodeURIComponent(secret.replace(/\p{Cs}/gu, ''))
}
