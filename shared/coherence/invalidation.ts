/** One message on the invalidation channel: `[incarnation, sequence number, kind, id]` as JSON. */
export interface Invalidation {
  readonly inc: string
  readonly seq: number
  /** `session` (id: the token's hash), `user` (id: the user), or the kind of an announcement. */
  readonly kind: string
  readonly id: string
}

/** Reads a message, or answers null: the channel may carry anything. A message that is lost so shows as a gap. */
export function parseInvalidation(text: string): Invalidation | null {
  let parts: unknown
  try {
    parts = JSON.parse(text)
  } catch {
    return null
  }
  if (!Array.isArray(parts) || parts.length !== 4) return null
  const [inc, seq, kind, id] = parts as unknown[]
  if (typeof inc !== 'string' || !Number.isSafeInteger(seq)) return null
  if (typeof kind !== 'string' || typeof id !== 'string') return null
  return { inc, seq: seq as number, kind, id }
}
