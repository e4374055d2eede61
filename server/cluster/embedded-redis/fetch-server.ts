/**
 * Gets a Redis server from the Debian or Ubuntu archive without installing anything: apt says which packages
 * this host lacks, they are downloaded (apt verifies their signatures) and unpacked into a private directory.
 * It works without root, and even for root it is better than `apt-get install`: no daemon appears on port 6379.
 *
 * Several processes may fetch into one directory at once: each unpacks beside it, the first one to finish
 * renames its result into place, the others use that.
 */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { isSupported, type ServerVersion } from '../../../shared/domain/server-version.ts'
import { askVersion, type RedisServer } from './server-version.ts'

const run = promisify(execFile)

const packageNames = ['redis-server', 'valkey-server'] as const
/** Where the archive keeps the program itself: Debian's redis-server is a link into redis-tools. */
const toolsOf = { 'redis-server': 'redis-tools', 'valkey-server': 'valkey-tools' } as const

/** The server in a directory that `fetchServer` filled, or null when there is none that runs. */
export async function cachedServer(directory: string): Promise<(RedisServer & ServerVersion) | null> {
  const libraryPath = await libraryPathIn(directory)
  for (const name of packageNames) {
    const binary = join(directory, 'usr', 'bin', name)
    if (!(await exists(binary))) continue
    const server = { binary, ...(libraryPath ? { libraryPath } : {}) }
    const version = await askVersion(server)
    if (version && isSupported(version)) return { ...server, ...version }
  }
  return null
}

/** What a fetch is doing, in a line for people. */
type Report = (step: string) => void

/** Fetches a server into the directory. Rejects with the reason when apt is missing, or has none that will do. */
export async function fetchServer(
  directory: string,
  report: Report = () => {},
): Promise<RedisServer & ServerVersion> {
  await mkdir(dirname(directory), { recursive: true, mode: 0o700 })
  const workshop = await mkdtemp(`${directory}.fetching-`)
  try {
    const unpacked = await unpackFirstThatRuns(workshop, report)
    await putInPlace(unpacked, directory)
  } finally {
    await rm(workshop, { recursive: true, force: true })
  }
  const server = await cachedServer(directory)
  if (!server) throw new Error(`the server that was fetched into ${directory} does not run`)
  return server
}

async function unpackFirstThatRuns(workshop: string, report: Report): Promise<string> {
  const failures: unknown[] = []
  for (const lists of ['system', 'own'] as const) {
    if (lists === 'own')
      report('apt has no usable list of packages: downloading one, which may take a minute')
    const aptOptions = lists === 'own' ? await ownLists(workshop) : []
    for (const name of packageNames) {
      const target = join(workshop, `${name}-by-${lists}-lists`)
      try {
        await unpack(name, target, aptOptions, report)
        if (await cachedServer(target)) return target
        throw new Error(`the ${name} of this system's package archive is too old or does not run`)
      } catch (cause) {
        failures.push(cause)
      }
    }
  }
  throw new Error([...new Set(failures.map(firstLine))].join('; '), { cause: failures[0] })
}

/**
 * Options that make apt use lists of our own, freshly made: for a host that has none (container images) or
 * whose lists name versions that the archive no longer has.
 */
async function ownLists(workshop: string): Promise<string[]> {
  const lists = join(workshop, 'lists')
  const cache = join(workshop, 'cache')
  await mkdir(join(lists, 'partial'), { recursive: true })
  await mkdir(join(cache, 'archives', 'partial'), { recursive: true })
  const options = ['-o', `Dir::State::Lists=${lists}`, '-o', `Dir::Cache=${cache}`]
  // An archive that is away (a third party's, often) leaves the others usable: the next step tells.
  await apt([...options, 'update'], workshop).catch(() => {})
  return options
}

async function unpack(
  name: (typeof packageNames)[number],
  target: string,
  aptOptions: string[],
  report: Report,
): Promise<void> {
  // Reinstalled, so that the plan names the server also where it is installed, but not on the search path.
  const wanted = ['install', '-s', '--reinstall', '--no-install-recommends', name, toolsOf[name]]
  const packages = missingPackages(await apt([...aptOptions, ...wanted], dirname(target)))
  if (packages.length === 0) throw new Error(`apt can't download ${name}`)

  const downloads = `${target}-packages`
  await mkdir(downloads)
  report(`downloading ${packages.join(', ')}; then it is unpacked and started`)
  await apt([...aptOptions, 'download', ...packages], downloads)
  for (const file of await readdir(downloads)) await run('dpkg-deb', ['-x', join(downloads, file), target])
}

/** `name=version` of each package that a simulated installation would install. */
export function missingPackages(plan: string): string[] {
  return [...plan.matchAll(/^Inst (\S+) (?:\[[^\]]*\] )?\((\S+)/gm)].map(
    ([, name, version]) => `${name}=${version}`,
  )
}

async function apt(args: string[], directory: string): Promise<string> {
  // Without the lock of the system's package database, nothing of which is changed. Root would else download as
  // the user `_apt`, who may not enter our directory.
  const options = ['-q', '-o', 'Debug::NoLocking=1', '-o', 'APT::Sandbox::User=root']
  const { stdout } = await run('apt-get', [...options, ...args], {
    cwd: directory,
    timeout: 120_000,
    maxBuffer: 16 * 1024 * 1024,
  })
  return stdout
}

async function putInPlace(unpacked: string, directory: string): Promise<void> {
  try {
    await rename(unpacked, directory)
  } catch (failure) {
    if (!isCode(failure, 'ENOTEMPTY') && !isCode(failure, 'EEXIST')) throw failure
    if (await cachedServer(directory)) return
    // What is there does not run (a half-deleted cache, another architecture): ours takes its place.
    await rename(directory, join(dirname(unpacked), 'broken'))
    await rename(unpacked, directory)
  }
}

/** The directories that hold shared libraries, in the form of LD_LIBRARY_PATH; empty when there are none. */
async function libraryPathIn(directory: string): Promise<string> {
  const found: string[] = []
  for (const base of [join(directory, 'usr', 'lib'), join(directory, 'lib')]) {
    const entries = await readdir(base, { withFileTypes: true }).catch(() => [])
    for (const entry of entries) if (entry.name.includes('-linux-')) found.push(join(base, entry.name))
  }
  return found.join(':')
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

function isCode(failure: unknown, code: string): boolean {
  return failure instanceof Error && 'code' in failure && failure.code === code
}

function firstLine(failure: unknown): string {
  const { stderr } = failure as { stderr?: string }
  const error = stderr?.split('\n').find((line) => line.startsWith('E: '))
  return error?.slice(3) ?? (failure instanceof Error ? failure.message.split('\n')[0]! : String(failure))
}
