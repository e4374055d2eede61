/** The tarballs as they would be released, and folders that install them as a stranger would. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'

const root = path.join(import.meta.dirname, '..', '..', '..')
const run = promisify(execFile)

export interface Tarballs {
  /** The whole of `lockstep`. */
  readonly whole: string
  /** What an application with a server of its own installs. */
  readonly parts: string
}

let packed: Promise<Tarballs> | undefined

/** Packed once for all tests of a run. */
export function packTarballs(): Promise<Tarballs> {
  return (packed ??= pack())
}

async function pack(): Promise<Tarballs> {
  const folder = await mkdtemp(path.join(tmpdir(), 'lockstep-pack-'))
  process.once('exit', () => void rm(folder, { recursive: true, force: true }))
  const whole = await npm(root, 'pack', '--silent', '--pack-destination', folder)
  const parts = await npm(root, 'run', '--silent', 'pack:parts', '--', folder)
  return { whole: path.join(folder, lastLine(whole)), parts: path.join(folder, lastLine(parts)) }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? ''
}

/** What a command printed; rejects with everything that it printed when it fails. */
export async function command(cwd: string, program: string, ...args: string[]): Promise<string> {
  const { PATH, HOME, TMPDIR } = process.env
  try {
    const env = { PATH, HOME, TMPDIR, npm_config_loglevel: 'warn' }
    return (await run(program, args, { cwd, env, timeout: 240_000, maxBuffer: 2 ** 26 })).stdout
  } catch (failure) {
    const { stdout = '', stderr = '' } = failure as { stdout?: string; stderr?: string }
    throw new Error(`${program} ${args.join(' ')} failed:\n${stdout}\n${stderr}`, { cause: failure })
  }
}

export const npm = (cwd: string, ...args: string[]) => command(cwd, 'npm', ...args)

export interface Consumer {
  readonly folder: string
  write(files: Readonly<Record<string, string>>): Promise<void>
  /** Runs a file of the folder with Node. */
  node(...args: string[]): Promise<string>
  /** The packages of the production tree, each once. */
  installed(): Promise<Set<string>>
  remove(): Promise<void>
}

/** A folder with these packages installed from the registry, and one of the tarballs under the name `lockstep`. */
export async function install(tarball: string, packages: readonly string[] = []): Promise<Consumer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'lockstep-consumer-'))
  async function write(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(folder, name)), { recursive: true })
      await writeFile(path.join(folder, name), text)
    }
  }
  await write({ 'package.json': JSON.stringify({ name: 'consumer', private: true, type: 'module' }) })
  const quiet = ['--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts']
  await npm(folder, 'install', ...quiet, `lockstep@file:${tarball}`, ...packages)
  return {
    folder,
    write,
    node: (...args) => command(folder, process.execPath, ...args),
    async installed() {
      // Not `npm ls`: only what is really there counts.
      const listed = JSON.parse(await npm(folder, 'query', ':not(:root)')) as {
        name: string
        location: string
      }[]
      return new Set(
        listed.map(({ location, name }) => (location === 'node_modules/lockstep' ? 'lockstep' : name)),
      )
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}
