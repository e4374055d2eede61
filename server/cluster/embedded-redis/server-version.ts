import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { ServerVersion } from '../../../shared/domain/server-version.ts'

const run = promisify(execFile)

/** A server program that can be run: the binary, and where its libraries are when the system has none of them. */
export interface RedisServer {
  readonly binary: string
  readonly libraryPath?: string
}

/** What `--version` printed, or null when it is the word of something else. */
export function parseServerVersion(output: string): ServerVersion | null {
  const match = /^(redis|valkey) server v=(\d+\.\d+\.\d+)/im.exec(output)
  if (!match?.[1] || !match[2]) return null
  return { product: match[1].toLowerCase() as ServerVersion['product'], version: match[2] }
}

/** Runs the binary to ask for its version; null when it cannot be run or is not a Redis server. */
export async function askVersion(server: RedisServer): Promise<ServerVersion | null> {
  const [command, ...args] = commandOf(server)
  try {
    const { stdout } = await run(command, [...args, '--version'], { timeout: 10_000 })
    return parseServerVersion(stdout)
  } catch {
    return null
  }
}

/** The command that runs the server with its own libraries, which no other program gets to see. */
export function commandOf({ binary, libraryPath }: RedisServer): [string, ...string[]] {
  return libraryPath ? ['env', `LD_LIBRARY_PATH=${libraryPath}`, binary] : [binary]
}
