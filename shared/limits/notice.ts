/** What workers tell each other: start over with a key (by its hash), or with all keys of a policy (null). */
export interface Notice {
  readonly policy: string
  readonly hashedKey: string | null
}

export function writeNotice({ policy, hashedKey }: Notice): string {
  return JSON.stringify([policy, hashedKey])
}

/** Null for anything that we would not have written. */
export function parseNotice(message: string): Notice | null {
  try {
    const parts: unknown = JSON.parse(message)
    if (!Array.isArray(parts)) return null
    const [policy, hashedKey] = parts as unknown[]
    if (typeof policy !== 'string' || (hashedKey !== null && typeof hashedKey !== 'string')) return null
    return { policy, hashedKey }
  } catch {
    return null
  }
}
