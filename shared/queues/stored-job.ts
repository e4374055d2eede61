import { z } from 'zod'

/** What BullMQ keeps as a job's data: the payload, and where it came from. */
export interface StoredJob {
  readonly payload?: unknown
  /** Who asked for it over HTTP: their user id. */
  readonly by?: string | undefined
  /** The schedule that asked for it, and the tick, in milliseconds since 1970. */
  readonly schedule?: string | undefined
  readonly tick?: number | undefined
}

const schema = z.object({
  payload: z.unknown().optional(),
  by: z.string().optional(),
  schedule: z.string().optional(),
  tick: z.number().optional(),
})

/** Reads what Redis returned, which may not be from us. Throws when it is not a job of this kind. */
export function parseStoredJob(data: unknown): StoredJob {
  const parsed = schema.safeParse(data)
  if (!parsed.success) throw new TypeError('what is stored is not a job of ours')
  return parsed.data
}
