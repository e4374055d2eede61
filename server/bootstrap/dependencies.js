import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SetUpProblem } from './problem.js'
import { withProgress } from './progress.js'
import { runTool } from './run-tool.js'
import { withSetUpLock } from './set-up-lock.js'

/**
 * Installs the dependencies that package-lock.json names, unless they are there.
 *
 * @param {string} root
 * @param {{ development: boolean }} options whether those for development are needed
 */
export async function ensureInstalled(root, { development }) {
  if (isInstalled(root, development)) return
  await withSetUpLock(root, async () => {
    if (isInstalled(root, development)) return
    const wanted = packagePaths(root, development)
    console.error(`Installing ${wanted.length} dependencies (npm ci), a minute or so; then the build ...`)
    const [program, ...args] = npm()
    const which = development ? '--include=dev' : '--omit=dev'
    const { code, output } = await withProgress(
      () => runTool(program, [...args, 'ci', which, '--no-audit', '--no-fund'], root),
      () => {
        const there = wanted.filter((path) => existsSync(join(root, path))).length
        return there === 0
          ? 'npm is reading what it needs'
          : `${there} of ${wanted.length} dependencies are in place`
      },
    )
    if (code !== 0 || !isInstalled(root, development)) {
      throw new SetUpProblem(
        `${output}\nThe dependencies could not be installed: npm ci ended with ${code}. What it says is above. ` +
          'Is the network there? Run `npm ci` once it is, then start again.',
      )
    }
  })
}

/**
 * npm writes what it installed at the very end, to a lock file of its own in node_modules. So an installation that
 * was interrupted, that is older than our lock file or that has no development dependencies shows.
 *
 * @param {string} root
 * @param {boolean} development
 */
export function isInstalled(root, development) {
  const installed = readPackages(join(root, 'node_modules', '.package-lock.json'))
  if (!installed) return false
  const wanted = readPackages(join(root, 'package-lock.json'))
  if (!wanted)
    throw new SetUpProblem('package-lock.json is missing or broken: restore it from the repository.')

  return Object.entries(wanted).every(([path, { version, optional, dev, devOptional }]) => {
    // What is optional may be meant for other platforms than this one.
    const skipped = path === '' || optional || (!development && (dev || devOptional))
    return skipped || installed[path]?.version === version
  })
}

/**
 * Where the dependencies will be, without those that may be meant for other platforms.
 *
 * @param {string} root
 * @param {boolean} development
 */
function packagePaths(root, development) {
  const locked = readPackages(join(root, 'package-lock.json')) ?? {}
  return Object.entries(locked)
    .filter(([path, { optional, dev, devOptional }]) => {
      return path !== '' && !optional && (development || (!dev && !devOptional))
    })
    .map(([path]) => path)
}

/**
 * @typedef {{ version?: string, optional?: boolean, dev?: boolean, devOptional?: boolean }} LockedPackage
 * @param {string} lockFile
 * @returns {Record<string, LockedPackage> | null} by path; null when there is no such file that can be read
 */
function readPackages(lockFile) {
  try {
    return JSON.parse(readFileSync(lockFile, 'utf8')).packages
  } catch {
    return null
  }
}

/** The npm that runs us, else the one on the PATH. */
function npm() {
  const running = process.env.npm_execpath
  return running?.endsWith('npm-cli.js') ? [process.execPath, running] : ['npm']
}
