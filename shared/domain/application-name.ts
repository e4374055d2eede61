import { readFileSync, realpathSync } from 'node:fs'
import path from 'node:path'

/**
 * What the application is called by its own package.json, the same on every host and in every release; null where it has
 * none. That of the program that was started, unless that is another's (a test runner, a process manager): then that
 * of the working directory.
 */
export function applicationName(program = process.argv[1], cwd = process.cwd()): string | null {
  const started = program === undefined ? null : realPath(program)
  const isOwn = started !== null && !started.split(path.sep).includes('node_modules')
  return nameAbove(isOwn ? path.dirname(started) : cwd)
}

function realPath(file: string): string | null {
  try {
    return realpathSync(file)
  } catch {
    return null
  }
}

function nameAbove(folder: string): string | null {
  const name = nameIn(folder)
  const parent = path.dirname(folder)
  return name ?? (parent === folder ? null : nameAbove(parent))
}

function nameIn(folder: string): string | null {
  try {
    const { name } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as { name?: unknown }
    return typeof name === 'string' && name !== '' ? name : null
  } catch {
    return null
  }
}
