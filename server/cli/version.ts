import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** The version in our package.json. */
export function readVersion(): string {
  const { version } = JSON.parse(readFileSync(nearestPackage(import.meta.dirname), 'utf8')) as {
    version: string
  }
  return version
}

/** Looked for upwards, since what is built lies one directory deeper than its source. */
function nearestPackage(directory: string): string {
  const file = path.join(directory, 'package.json')
  if (existsSync(file)) return file
  const parent = path.dirname(directory)
  if (parent === directory) throw new Error('there is no package.json above the lockstep command')
  return nearestPackage(parent)
}
