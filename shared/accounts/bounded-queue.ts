export interface BoundedQueueOptions {
  /** How much work runs at once. */
  readonly concurrency: number
  /** How much more may wait, in order of arrival. */
  readonly waiting: number
  /** What is thrown at work beyond that. */
  readonly refusal: () => Error
}

/** Runs work, a few pieces at once, and refuses at once what would have to wait too long. */
export function createBoundedQueue({ concurrency, waiting, refusal }: BoundedQueueOptions) {
  let running = 0
  const queue: (() => void)[] = []

  async function place(): Promise<void> {
    if (running < concurrency) {
      running++
      return
    }
    if (queue.length >= waiting) throw refusal()
    await new Promise<void>((resolve) => queue.push(resolve))
  }

  function leave(): void {
    const next = queue.shift()
    if (next) next()
    else running--
  }

  return async function run<T>(work: () => Promise<T>): Promise<T> {
    await place()
    try {
      return await work()
    } finally {
      leave()
    }
  }
}
