/**
 * Which release this process runs: a number that grows with the code, not with each start of a process. A host that
 * restarts the old code must not count as newer than one that runs the new code.
 */
import { readFileSync } from 'node:fs'

/** Written by the build, beside the compiled code. */
const stamp = new URL('../../.release', import.meta.url)

/** The release of the build, in milliseconds since 1970; null when the code runs from its sources. */
export function releaseOfBuild(file: URL = stamp): number | null {
  try {
    const release = Number(readFileSync(file, 'utf8'))
    return Number.isSafeInteger(release) && release > 0 ? release : null
  } catch {
    return null
  }
}
