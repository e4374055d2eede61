import { access, constants, readFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { ConfigurationError, messageOf } from '../../../shared/kernel/errors.ts'
import { cachedServer, fetchServer } from './fetch-server.ts'
import { isSupported, supportedVersions, type ServerVersion } from '../../../shared/domain/server-version.ts'
import { askVersion, type RedisServer } from './server-version.ts'

export interface FoundServer extends RedisServer, ServerVersion {
  readonly source: 'REDIS_SERVER_BIN' | 'path' | 'cache' | 'fetched'
}

export interface FindServerOptions {
  /** The binary that someone chose (`REDIS_SERVER_BIN`): this one or none. */
  readonly binary?: string | undefined
  /** Where to look for an installed one, in the form of PATH. */
  readonly searchPath: string
  /** Where a server that was fetched is kept: `<data directory>/redis-bin`, or one place for many tests. */
  readonly cacheDirectory: string
  /** Called before a fetch, which takes seconds. */
  readonly onFetch?: () => void
  /** Called as the fetch goes on, with what is done now and what is left. */
  readonly onProgress?: (step: string) => void
}

/**
 * Finds a Redis server to run: the chosen one, one on the search path, one fetched earlier, or one fetched now.
 * Rejects with a `ConfigurationError` that says how to get one on this system.
 */
export async function findRedisServer(options: FindServerOptions): Promise<FoundServer> {
  if (options.binary) return chosenServer(options.binary)

  const installed = await installedServer(options.searchPath)
  if (installed) return installed

  const cached = await cachedServer(options.cacheDirectory)
  if (cached) return { ...cached, source: 'cache' }

  options.onFetch?.()
  try {
    return { ...(await fetchServer(options.cacheDirectory, options.onProgress)), source: 'fetched' }
  } catch (cause) {
    throw new ConfigurationError([await noServerFound(cause)])
  }
}

async function chosenServer(binary: string): Promise<FoundServer> {
  const version = await askVersion({ binary })
  if (!version) {
    throw new ConfigurationError([
      `REDIS_SERVER_BIN=${binary} is not a Redis server that runs. Name the file of a redis-server or ` +
        `valkey-server, or unset it to have one found.`,
    ])
  }
  if (!isSupported(version)) {
    throw new ConfigurationError([
      `REDIS_SERVER_BIN=${binary} is ${version.product} ${version.version}, but ${supportedVersions} or later ` +
        `is needed. Name a newer one, or unset it to have one found.`,
    ])
  }
  return { binary, ...version, source: 'REDIS_SERVER_BIN' }
}

async function installedServer(searchPath: string): Promise<FoundServer | null> {
  for (const name of ['valkey-server', 'redis-server']) {
    for (const directory of searchPath.split(delimiter).filter(Boolean)) {
      const binary = join(directory, name)
      if (!(await isExecutable(binary))) continue
      const version = await askVersion({ binary })
      if (version && isSupported(version)) return { binary, ...version, source: 'path' }
    }
  }
  return null
}

function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  )
}

async function noServerFound(cause: unknown): Promise<string> {
  const reason = messageOf(cause)
  return (
    `No Redis server (${supportedVersions} or later) was found or could be fetched: ${reason}. ` +
    `Install one: ${await installCommand()}. Or name its file in REDIS_SERVER_BIN, or set REDIS_URL to the ` +
    `Redis that you have.`
  )
}

async function installCommand(): Promise<string> {
  if (process.platform === 'darwin') return 'brew install valkey'
  if (process.platform === 'win32') return 'use WSL (Redis does not run on Windows)'
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '')
  return installCommandFor(release)
}

const installCommands: readonly [family: string, command: string][] = [
  ['alpine', 'apk add valkey'],
  ['arch', 'sudo pacman -S valkey'],
  ['suse', 'sudo zypper install redis'],
  ['fedora', 'sudo dnf install valkey'],
  ['rhel', 'sudo dnf install valkey'],
]

/** The command that installs a server on the Linux that this /etc/os-release describes. */
export function installCommandFor(osRelease: string): string {
  const family = [...osRelease.matchAll(/^ID(?:_LIKE)?="?([^"\n]*)"?$/gm)].map(([, ids]) => ids).join(' ')
  const match = installCommands.find(([name]) => family.includes(name))
  return match?.[1] ?? 'sudo apt-get update && sudo apt-get install redis-server'
}
