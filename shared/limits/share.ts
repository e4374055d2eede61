/**
 * What a worker admitted on its own during an outage, in the last window: a use counts until all of its time slot has
 * left the window, so the count errs towards more.
 */
export interface Share {
  /** Uses in the window that ends at `now`. */
  used(now: number): number
  use(cost: number, now: number): void
  /** Milliseconds until the oldest use no longer counts. */
  waitMs(now: number): number
}

export function createShare(windowMs: number, slotMs: number): Share {
  // Slot number to uses, oldest first.
  const slots = new Map<number, number>()
  let used = 0

  const endOf = (slot: number) => (slot + 1) * slotMs + windowMs

  function forgetEnded(now: number): void {
    for (const [slot, count] of slots) {
      if (endOf(slot) > now) return
      slots.delete(slot)
      used -= count
    }
  }

  return {
    used(now) {
      forgetEnded(now)
      return used
    },
    use(cost, now) {
      const slot = Math.floor(now / slotMs)
      slots.set(slot, (slots.get(slot) ?? 0) + cost)
      used += cost
    },
    waitMs(now) {
      for (const slot of slots.keys()) return Math.max(1, endOf(slot) - now)
      return windowMs
    },
  }
}
