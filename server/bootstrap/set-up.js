import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ensureBuilt, isBuilt } from './build-output.js'
import { ensureInstalled } from './dependencies.js'
import { SetUpProblem } from './problem.js'
import { Interruption } from './run-tool.js'

/** The directory of the checkout. */
export const root = join(import.meta.dirname, '..', '..')

/**
 * Installs and builds what is missing or out of date; costs some milliseconds when nothing is.
 *
 * Returns the URL of the built server, or null when that failed, which it has told the reader then.
 *
 * @param {{ production: boolean, rebuild?: boolean }} options production: the development dependencies are not
 *   installed unless they are needed to build
 * @returns {Promise<string | null>}
 */
export async function setUp({ production, rebuild = false }) {
  try {
    const needsCompiler = !production || rebuild || !isBuilt(root)
    await ensureInstalled(root, { development: needsCompiler })
    await ensureBuilt(root, { rebuild })
    return pathToFileURL(join(root, 'dist', 'bundle', 'server', 'main.js')).href
  } catch (failure) {
    if (failure instanceof SetUpProblem) console.error(failure.message)
    // Tidied up by now: we die of the signal as if it had never been caught.
    else if (failure instanceof Interruption) process.kill(process.pid, failure.signal)
    else throw failure
    return null
  }
}
