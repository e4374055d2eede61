/**
 * Finds the programs of a Postgres server, or fetches them from the package archive without installing anything:
 * apt says which packages this host lacks, they are downloaded and unpacked into a cache of the tests.
 */
import { execFile } from 'node:child_process'
import { access, constants, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { missingPackages } from '../../server/cluster/embedded-redis/fetch-server.ts'

const run = promisify(execFile)

export interface PostgresPrograms {
  /** Holds `initdb` and `postgres`. */
  readonly directory: string
  /** Where their libraries are, in the form of LD_LIBRARY_PATH; empty when the system has them. */
  readonly libraryPath: string
}

/** Root's server runs as another user, who may not be able to enter the directory of this project. */
const cache =
  process.getuid?.() === 0
    ? '/var/cache/lockstep/postgres'
    : join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'lockstep', 'postgres')

let programs: Promise<PostgresPrograms> | undefined

/** The programs that every test runs, found or fetched once. */
export function postgresPrograms(): Promise<PostgresPrograms> {
  return (programs ??= findOrFetch())
}

async function findOrFetch(): Promise<PostgresPrograms> {
  for (const directory of [...pathDirectories(), ...(await debianDirectories('/'))]) {
    if (await holdsServer(directory)) return { directory, libraryPath: '' }
  }
  return (await cachedPrograms(cache)) ?? (await fetchPrograms(cache))
}

export async function cachedPrograms(root: string): Promise<PostgresPrograms | null> {
  for (const directory of await debianDirectories(root)) {
    if (await holdsServer(directory)) return { directory, libraryPath: await libraryPathIn(root) }
  }
  return null
}

/** Fetches the newest server of this system's archive into `root`. Needs a Debian or Ubuntu, but no root. */
export async function fetchPrograms(root: string): Promise<PostgresPrograms> {
  await mkdir(dirname(root), { recursive: true })
  const workshop = await mkdtemp(`${root}.fetching-`)
  try {
    const { options, name } = await chooseServer(workshop)
    const downloads = join(workshop, 'packages')
    const unpacked = join(workshop, 'root')
    await mkdir(downloads)
    const plan = await apt([...options, 'install', '-s', '--no-install-recommends', name], workshop)
    await apt([...options, 'download', ...missingPackages(plan)], downloads)
    for (const file of await readdir(downloads))
      await run('dpkg-deb', ['-x', join(downloads, file), unpacked])
    // Another run may have put its own there meanwhile, which is as good.
    await rename(unpacked, root).catch(() => {})
  } catch (cause) {
    throw new Error('these tests need Postgres. Install it: sudo apt-get install postgresql', { cause })
  } finally {
    await rm(workshop, { recursive: true, force: true })
  }
  const fetched = await cachedPrograms(root)
  if (!fetched) throw new Error(`the Postgres that was fetched into ${root} is incomplete: delete it`)
  return fetched
}

/** The package of the newest server, by this host's package lists, or by fresh ones when it has none. */
async function chooseServer(workshop: string): Promise<{ options: string[]; name: string }> {
  const installed = await newestServer([], workshop)
  if (installed) return { options: [], name: installed }
  const lists = join(workshop, 'lists')
  await mkdir(join(lists, 'partial'), { recursive: true })
  const options = ['-o', `Dir::State::Lists=${lists}`, '-o', `Dir::Cache=${join(workshop, 'cache')}`]
  await apt([...options, 'update'], workshop)
  const fresh = await newestServer(options, workshop)
  if (!fresh) throw new Error('the package archive of this system has no Postgres server')
  return { options, name: fresh }
}

async function newestServer(options: string[], directory: string): Promise<string | null> {
  const names = ['apt-cache', [...options, 'search', '--names-only', '^postgresql-[0-9]+$']] as const
  const { stdout } = await run(...names, { cwd: directory })
  const versions = [...stdout.matchAll(/^postgresql-(\d+) /gm)].map(([, version]) => Number(version))
  return versions.length > 0 ? `postgresql-${Math.max(...versions)}` : null
}

async function apt(args: string[], cwd: string): Promise<string> {
  // Without the system's lock, nothing of which is changed; as ourselves, since `_apt` can't enter our directory.
  const options = ['-q', '-o', 'Debug::NoLocking=1', '-o', 'APT::Sandbox::User=root']
  const { stdout } = await run('apt-get', [...options, ...args], {
    cwd,
    timeout: 300_000,
    maxBuffer: 2 ** 24,
  })
  return stdout
}

function pathDirectories(): string[] {
  return (process.env.PATH ?? '').split(delimiter).filter(Boolean)
}

/** Where Debian's packages put the programs below `root`, newest version first. */
async function debianDirectories(root: string): Promise<string[]> {
  const base = join(root, 'usr', 'lib', 'postgresql')
  const versions = await readdir(base).catch(() => [])
  return versions.sort((a, b) => Number(b) - Number(a)).map((version) => join(base, version, 'bin'))
}

async function holdsServer(directory: string): Promise<boolean> {
  const files = ['initdb', 'postgres'].map((name) => access(join(directory, name), constants.X_OK))
  return Promise.all(files).then(
    () => true,
    () => false,
  )
}

async function libraryPathIn(root: string): Promise<string> {
  const base = join(root, 'usr', 'lib')
  const entries = await readdir(base)
  return entries
    .filter((name) => name.includes('-linux-'))
    .map((name) => join(base, name))
    .join(':')
}
