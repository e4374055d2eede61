const repeatMs = 60_000

/**
 * Warns of what comes again and again while something is away: what was said last is said again after a minute at the
 * soonest. `topic` tells whether it is the same.
 */
export function createSparingWarning(log: {
  warn(fields: object, message: string): void
}): (topic: string, fields: object, message: string) => void {
  let last = ''
  let lastAt = Number.NEGATIVE_INFINITY
  return (topic, fields, message) => {
    const now = performance.now()
    if (topic === last && now - lastAt < repeatMs) return
    last = topic
    lastAt = now
    log.warn(fields, message)
  }
}
