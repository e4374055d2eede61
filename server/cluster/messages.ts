/** Everything that the primary and its workers say to each other. What arrives is checked here, once. */

/** From a worker. */
export type WorkerMessage =
  /** It can do its work; `port` is where it listens, if it does. */
  | { readonly type: 'ready'; readonly port: number | null }
  /** It could not start, and ends now. */
  | { readonly type: 'failed'; readonly reason: string }

/** From the primary. */
export type PrimaryMessage =
  /** Finish what is under way and end, within `graceMs` milliseconds. Said again, it shortens the time. */
  { readonly type: 'stop'; readonly graceMs: number }

/** Null when it is none of ours: other programs in the process may use the same channel. */
export function parseWorkerMessage(value: unknown): WorkerMessage | null {
  const message = fieldsOf(value)
  if (message.type === 'ready' && (message.port === null || isPort(message.port))) {
    return { type: 'ready', port: message.port }
  }
  if (message.type === 'failed' && typeof message.reason === 'string') {
    return { type: 'failed', reason: message.reason }
  }
  return null
}

export function parsePrimaryMessage(value: unknown): PrimaryMessage | null {
  const message = fieldsOf(value)
  if (message.type !== 'stop' || typeof message.graceMs !== 'number' || !(message.graceMs >= 0)) return null
  return { type: 'stop', graceMs: message.graceMs }
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) > 0 && Number(value) <= 65_535
}
