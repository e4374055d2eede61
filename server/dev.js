/**
 * `lockstep dev [FILE]`: the server for those who write it, from its sources: one web worker and one job worker, which a
 * saved change replaces. In a checkout without FILE the sources are our own. Plain JavaScript, as server/start.js.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const here = import.meta.dirname
const [, file] = process.argv.slice(2)
const checkout = existsSync(join(here, 'bootstrap', 'set-up.js'))

if (await prepared()) run()
else process.exitCode = 1

async function prepared() {
  if (!checkout) return true
  const { setUp } = await import('./bootstrap/set-up.js')
  return (await setUp({ production: false })) !== null
}

function run() {
  const own = file === undefined
  const main = own ? join(here, 'main.ts') : join(here, '..', 'dist', 'server', 'main.js')
  const loader = typeScriptLoader()
  const child = spawn(
    process.execPath,
    [
      '--enable-source-maps',
      ...(loader === null ? [] : ['--import', loader]),
      ...(own ? ['--conditions=lockstep-source'] : []),
      main,
      'dev',
      ...(own ? [] : [file]),
    ],
    { stdio: 'inherit', env: { NODE_ENV: 'development', WORKERS: '1', JOB_WORKERS: '1', ...process.env } },
  )
  const signals = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'])
  for (const signal of signals) process.on(signal, () => child.kill(signal))
  child.once('close', (code, signal) => {
    process.exitCode = code ?? 128 + constants.signals[signal ?? 'SIGKILL']
  })
}

/**
 * Runs TypeScript as it is: the application's own, or ours in a checkout. An application in JavaScript is loaded as
 * `start` loads it: the loader would take modules for CommonJS wherever no package.json says otherwise.
 */
function typeScriptLoader() {
  if (file !== undefined && !/\.[cm]?tsx?$/.test(file)) return null
  for (const from of [join(process.cwd(), 'package.json'), join(here, 'dev.js')]) {
    try {
      return pathToFileURL(createRequire(from).resolve('tsx')).href
    } catch {
      // Not installed there.
    }
  }
  return null
}
