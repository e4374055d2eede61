import type { SessionCache } from './session-cache.ts'

/** A cache that is always there and never holds anything, so that no one has to ask whether there is one. */
export const noCache: SessionCache = Object.freeze({
  get: () => undefined,
  set: () => {},
  invalidate: () => {},
  invalidateByUser: () => {},
  clear: () => {},
})
