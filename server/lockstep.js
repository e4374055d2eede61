#!/usr/bin/env node
/**
 * The `lockstep` command. Plain JavaScript, as server/start.js: in a fresh checkout nothing is built yet. Only `start`
 * brings a build up to date; the other commands must not replace what the workers of a running server will load.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [command, ...rest] = process.argv.slice(2)
const built = join(import.meta.dirname, '..', 'dist', 'server')
const cli = join(built, 'cli', 'main.js')
const start = join(import.meta.dirname, 'start.js')

if (command === 'start' && rest.length === 0) {
  // An image has the build alone.
  const main = existsSync(start) ? start : join(built, 'main.js')
  await import(pathToFileURL(main).href)
} else if (existsSync(cli)) {
  await import(pathToFileURL(cli).href)
} else {
  process.stderr.write('lockstep: nothing is built yet. Run npx lockstep start, or npm run build.\n')
  process.exitCode = 1
}
