import { parseBehalf, type Behalf } from './behalf.ts'

/** What BullMQ keeps as a job's data: the payload, and where it came from. */
export interface StoredJob {
  readonly payload?: unknown
  /** Who asked for it over HTTP: their user id. */
  readonly by?: string | undefined
  /** The schedule that asked for it, and the tick, in milliseconds since 1970. */
  readonly schedule?: string | undefined
  readonly tick?: number | undefined
  /** On whose behalf it is done: not any more once that has ended. */
  readonly behalf?: Behalf | undefined
  /** Why it was cancelled, if it was. */
  readonly cancelled?: string | undefined
}

/** Reads what Redis returned, which may not be from us. Throws when it is not a job of this kind. */
export function parseStoredJob(data: unknown): StoredJob {
  if (typeof data === 'object' && data !== null) {
    const { by, schedule, tick, cancelled, behalf } = data as Record<string, unknown>
    const isText = (value: unknown) => value === undefined || typeof value === 'string'
    if (
      isText(by) &&
      isText(schedule) &&
      isText(cancelled) &&
      (behalf === undefined || parseBehalf(behalf) !== null) &&
      (tick === undefined || typeof tick === 'number')
    )
      return data
  }
  throw new TypeError('what is stored is not a job of ours')
}
