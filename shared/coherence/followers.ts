import type { Follower } from './coherence.ts'

/**
 * The followers of one member, and whether what they were told has taken effect. One that failed, or that was told
 * something while it was reading its state, reads it again: what it was reading may be older than what it was told.
 */
export function createFollowers() {
  const byKind = new Map<string, Follower>()
  const stale = new Set<Follower>()
  const refreshing = new Set<Follower>()
  const pending = new Set<Promise<void>>()
  let failure: unknown = null

  /** Runs one call of a follower; when it fails, the follower has to refresh. */
  function attempt(follower: Follower, call: () => void | Promise<void>, afterwards = () => {}): void {
    const failed = (cause: unknown) => {
      stale.add(follower)
      failure = cause
    }
    try {
      const done = call()
      if (!(done instanceof Promise)) return afterwards()
      const tracked = done.catch(failed).finally(() => {
        afterwards()
        pending.delete(tracked)
      })
      pending.add(tracked)
    } catch (cause) {
      afterwards()
      failed(cause)
    }
  }

  function refresh(follower: Follower): void {
    if (refreshing.has(follower)) {
      stale.add(follower)
      return
    }
    stale.delete(follower)
    refreshing.add(follower)
    attempt(
      follower,
      () => follower.refresh(),
      () => refreshing.delete(follower),
    )
  }

  function missed(): void {
    for (const follower of new Set(byKind.values())) refresh(follower)
  }

  return {
    /** Takes part from now on; refreshed by the next `settle`. */
    add(kind: string, follower: Follower): void {
      byKind.set(kind, follower)
      stale.add(follower)
    },

    /** Passes an announcement on. One of a kind that no one here knows may concern anyone: all refresh. */
    apply(kind: string, text: string): 'applied' | 'unknown' {
      const follower = byKind.get(kind)
      if (!follower) {
        missed()
        return 'unknown'
      }
      attempt(follower, () => follower.apply(text))
      if (refreshing.has(follower)) stale.add(follower)
      return 'applied'
    },

    /** Announcements may have been missed: everybody refreshes, at once. */
    missed,

    /** Whether everything that was told has taken effect. */
    get settled(): boolean {
      return stale.size === 0 && pending.size === 0
    },

    /** Resolves when it has; rejects when a follower could not be refreshed. */
    async settle(): Promise<void> {
      failure = null
      for (;;) {
        // A copy: one that fails is stale again at once.
        for (const follower of Array.from(stale)) if (!refreshing.has(follower)) refresh(follower)
        if (failure) throw failure
        if (pending.size === 0) return
        await Promise.all(pending)
      }
    },
  }
}
