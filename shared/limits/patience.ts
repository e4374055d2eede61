/** A timer that fires so much too late says that this process was busy, not that the answer is late. */
const busyMs = 20

/**
 * What the promise says, unless that takes longer than `ms`: then rejects, and hands a value that still comes to
 * `onLate`. Time in which this process was too busy to look at the answer does not count: the socket is read once more
 * before the time is over, and where the process was busy there is a quarter of the time more.
 */
export function withPatience<T>(answer: Promise<T>, ms: number, onLate: (value: T) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    let over = false
    let immediate: NodeJS.Immediate | undefined
    let timer: NodeJS.Timeout | undefined
    const giveUp = () => {
      over = true
      reject(new NoAnswer(ms))
    }
    function waitFor(forMs: number, mayBeBusy: boolean): void {
      const dueAt = performance.now() + forMs
      timer = setTimeout(() => {
        const wasBusy = performance.now() - dueAt > busyMs
        // Timers run before the sockets are read, and immediates after.
        immediate = setImmediate(mayBeBusy && wasBusy ? () => waitFor(ms / 4, false) : giveUp)
      }, forMs)
    }
    waitFor(ms, true)
    const settled = () => {
      clearTimeout(timer)
      clearImmediate(immediate)
    }
    answer.then(
      (value) => {
        settled()
        if (over) onLate(value)
        else resolve(value)
      },
      (cause: unknown) => {
        settled()
        reject(cause)
      },
    )
  })
}

/** Nothing came in time. */
export class NoAnswer extends Error {
  constructor(ms: number) {
    super(`no answer within ${ms} ms`)
    this.name = 'NoAnswer'
  }
}
