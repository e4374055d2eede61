import { setTimeout as wait } from 'node:timers/promises'

/**
 * Resolves with what the assertion returns as soon as it stops throwing. Rejects with its last failure when it
 * still throws after `timeoutMs`.
 */
export async function eventually<T>(assertion: () => T | Promise<T>, timeoutMs = 15_000): Promise<T> {
  const end = performance.now() + timeoutMs
  for (;;) {
    try {
      return await assertion()
    } catch (failure) {
      if (performance.now() > end) throw failure
      await wait(20)
    }
  }
}
