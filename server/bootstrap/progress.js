/** A step that takes long says so before, and goes on saying how far it is: silence looks like a hang. */

const firstMs = 3_000
const everyMs = 5_000

/**
 * Waits for the work, and reports every few seconds what `describe` says, with the time that has passed.
 *
 * @template T
 * @param {() => Promise<T>} work
 * @param {() => string} describe how far it is, such as `120 of 317 packages`
 * @param {{ firstMs?: number, everyMs?: number, write?: (line: string) => void }} [options]
 * @returns {Promise<T>}
 */
export async function withProgress(work, describe, options = {}) {
  const begun = performance.now()
  const { write = (line) => console.error(line) } = options
  function report() {
    const seconds = Math.round((performance.now() - begun) / 1_000)
    write(`  ${describe()} (${seconds} s so far)`)
  }
  /** @type {NodeJS.Timeout | undefined} */
  let again
  const first = setTimeout(() => {
    report()
    again = setInterval(report, options.everyMs ?? everyMs)
  }, options.firstMs ?? firstMs)
  try {
    return await work()
  } finally {
    clearTimeout(first)
    clearInterval(again)
  }
}
