const repeatMs = 60_000
/** Beyond so many topics the oldest are forgotten. */
const mostTopics = 50

/**
 * Warns of what comes again and again while something is away: a topic is spoken of once a minute at most.
 */
export function createSparingWarning(log: {
  warn(fields: object, message: string): void
}): (topic: string, fields: object, message: string) => void {
  const saidAt = new Map<string, number>()
  return (topic, fields, message) => {
    const now = performance.now()
    if (now - (saidAt.get(topic) ?? Number.NEGATIVE_INFINITY) < repeatMs) return
    saidAt.delete(topic)
    saidAt.set(topic, now)
    const [oldest] = saidAt.keys()
    if (saidAt.size > mostTopics && oldest !== undefined) saidAt.delete(oldest)
    log.warn(fields, message)
  }
}
