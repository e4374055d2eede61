import { existsSync, mkdirSync, statSync } from 'node:fs'
import path from 'node:path'

/**
 * Makes a directory and what is missing above it; gives the first that it made, undefined when it was there. Node's own
 * `recursive` never ends where the system takes no directories (`/proc/self/x`): it makes the parent again and again.
 */
export function makeDirectory(directory: string, mode: number): string | undefined {
  try {
    mkdirSync(directory, { mode })
    return directory
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'EEXIST' && statSync(directory).isDirectory()) return undefined
    const parent = path.dirname(directory)
    if (code !== 'ENOENT' || existsSync(parent)) throw cause
    const first = makeDirectory(parent, mode)
    // Not `mkdirSync`: another process may have been faster.
    const own = makeDirectory(directory, mode)
    return first ?? own
  }
}
