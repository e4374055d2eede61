export interface Backoff {
  readonly firstMs: number
  readonly longestMs: number
  /** A run of at least this length ends a series of failures. */
  readonly stableMs: number
}

export const defaultBackoff: Backoff = { firstMs: 100, longestMs: 15_000, stableMs: 10_000 }

/**
 * How long to wait after this many failures in a row: doubled with each, and spread, so that workers which all
 * died of one cause do not all return in the same instant.
 */
export function backoffMs({ firstMs, longestMs }: Backoff, failures: number, random = Math.random): number {
  const longest = Math.min(firstMs * 2 ** Math.min(failures - 1, 30), longestMs)
  return longest * (0.5 + random() / 2)
}
