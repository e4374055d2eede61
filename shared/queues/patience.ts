/**
 * Bounds how long calls are waited for, all by the same time. One timer serves all of them: they run out of time in the
 * order in which they began.
 */
export interface Patience {
  /** As the work settles, or rejects when it takes too long; then its outcome is not looked at any more. */
  within<T>(work: Promise<T>): Promise<T>
}

interface Wait {
  readonly until: number
  giveUp(): void
}

export function createPatience(timeoutMs: number): Patience {
  const waits = new Set<Wait>()
  let timer: NodeJS.Timeout | null = null

  function watch(): void {
    const [first] = waits
    if (first === undefined || timer !== null) return
    timer = setTimeout(expire, Math.max(0, first.until - performance.now()))
  }

  function expire(): void {
    timer = null
    const now = performance.now()
    for (const wait of waits) {
      // A timer may fire a moment early.
      if (wait.until > now + 1) break
      waits.delete(wait)
      wait.giveUp()
    }
    watch()
  }

  function end(wait: Wait): void {
    waits.delete(wait)
    if (waits.size > 0 || timer === null) return
    clearTimeout(timer)
    timer = null
  }

  return {
    within(work) {
      return new Promise((resolve, reject) => {
        const wait: Wait = {
          until: performance.now() + timeoutMs,
          giveUp: () => reject(new Error(`no answer within ${timeoutMs} ms`)),
        }
        waits.add(wait)
        watch()
        work.then(
          (value) => {
            end(wait)
            resolve(value)
          },
          (cause: unknown) => {
            end(wait)
            reject(cause instanceof Error ? cause : new Error(String(cause)))
          },
        )
      })
    },
  }
}
