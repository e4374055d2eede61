import { existsSync } from 'node:fs'
import path from 'node:path'
import { ConfigurationError, messageOf } from '../kernel/errors.ts'

/**
 * Takes the variables of `.env` in the working directory into the environment of this process; what is set already
 * stays. Throws a `ConfigurationError` when there is such a file and it can't be read.
 */
export function readEnvFile(cwd = process.cwd()): void {
  const file = path.join(cwd, '.env')
  if (!existsSync(file)) return
  try {
    process.loadEnvFile(file)
  } catch (cause) {
    throw new ConfigurationError([`${file} can't be read: ${messageOf(cause)}`])
  }
}
