#!/usr/bin/env node
/**
 * The `lockstep` command. Plain JavaScript, as server/start.js: in a fresh checkout nothing is built yet. Only `start`
 * brings a build up to date; the other commands must not replace what the workers of a running server will load.
 */
import { existsSync } from 'node:fs'
import { isAbsolute, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'

const [command, ...rest] = process.argv.slice(2)
const built = join(import.meta.dirname, '..', 'dist')
const cli = join(built, 'server', 'cli', 'main.js')
const start = join(import.meta.dirname, 'start.js')
const dev = join(import.meta.dirname, 'dev.js')
const output = join(import.meta.dirname, 'bootstrap', 'build-output.js')

if (command === 'dev' && isStart(rest) && existsSync(dev)) {
  if (rest.length === 0 && !isHere() && !isNamed()) refuseWithoutFile('dev')
  else await import(pathToFileURL(dev).href)
} else if (command === 'start' && isStart(rest)) {
  // An image has the build alone.
  const main = existsSync(start) ? start : join(built, 'bundle', 'server', 'main.js')
  if (rest.length === 0 && !isHere() && !isNamed()) refuseWithoutFile('start')
  else await import(pathToFileURL(main).href)
} else if (existsSync(cli)) {
  if (command === 'reload') await warnOfStaleBuild()
  await import(pathToFileURL(cli).href)
} else {
  process.stderr.write('lockstep: nothing is built yet. Run npx lockstep start, or npm run build.\n')
  process.exitCode = 1
}

/** Workers load what was built. A reload that brings nothing new would else look as one that brought the edit. */
async function warnOfStaleBuild() {
  if (!existsSync(output)) return
  const { isBuilt } = await import(pathToFileURL(output).href)
  if (isBuilt(join(import.meta.dirname, '..'))) return
  process.stderr.write(
    'lockstep: the build is stale: sources were changed since, and the workers load the build. ' +
      'To bring the change: npm run build && npx lockstep reload\n',
  )
}

/** @param {string[]} words */
function isStart(words) {
  return words.length <= 1 && !words.some((word) => word.startsWith('-'))
}

/**
 * In the checkout and in the image the built-in application is meant. In a folder of their own users expect theirs: the
 * built-in one in its place would create accounts and a data directory that they never asked for.
 */
function isHere() {
  const path = relative(join(import.meta.dirname, '..'), process.cwd())
  return !path.startsWith('..') && !isAbsolute(path)
}

/** By the environment, or by `.env` in the working directory. */
function isNamed() {
  if (existsSync('.env')) process.loadEnvFile?.()
  // oxlint-disable-next-line node/no-process-env -- decides what is started, before anything is loaded
  return Boolean(process.env.LOCKSTEP_APP)
}

/** @param {string} command */
function refuseWithoutFile(command) {
  process.stderr.write(
    `lockstep: no application was named. Give its file: npx lockstep ${command} ./app.js, or set LOCKSTEP_APP\n`,
  )
  process.exitCode = 78
}
