/**
 * Bounds how long calls are waited for, all by the same time. A timer for each call would cost as much as the call: here
 * one ticks for all of them, four times in that time, while there are any. A call is given up at its fourth tick, so
 * after three quarters of the time at least, and never later than the time.
 */
export interface Patience {
  /** As the work settles, or rejects when it takes too long; then its outcome is not looked at any more. */
  within<T>(work: Promise<T>): Promise<T>
}

type GiveUp = () => void

const ticks = 4

export function createPatience(timeoutMs: number, failed: (cause: unknown) => Error): Patience {
  /** Those that began since the last tick come first. */
  const begun: Set<GiveUp>[] = Array.from({ length: ticks }, () => new Set())
  let timer: NodeJS.Timeout | null = null

  function tick(): void {
    const outOfTime = begun.pop() as Set<GiveUp>
    for (const giveUp of outOfTime) giveUp()
    begun.unshift(new Set())
    if (timer === null || begun.some(({ size }) => size > 0)) return
    clearInterval(timer)
    timer = null
  }

  return {
    within: (work) =>
      new Promise((resolve, reject) => {
        const [own] = begun as [Set<GiveUp>]
        const giveUp = () => reject(failed(new Error(`no answer within ${timeoutMs} ms`)))
        own.add(giveUp)
        // The connection that is asked keeps the process alive, not this.
        timer ??= setInterval(tick, timeoutMs / ticks).unref()
        work.then(
          (value) => {
            own.delete(giveUp)
            resolve(value)
          },
          (cause: unknown) => {
            own.delete(giveUp)
            reject(failed(cause))
          },
        )
      }),
  }
}
