import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chown, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { isAlive, trackChild } from './children.ts'
import { freePort } from './free-port.ts'
import { eventually } from './eventually.ts'
import { postgresPrograms, type PostgresPrograms } from './postgres-programs.ts'

const run = promisify(execFile)

/** A private Postgres of a test file: a real server, which the tests may hurt. */
export interface TestPostgres {
  /** Of the database `postgres`; the same after a restart. */
  readonly url: string
  /** The URL of a new, empty database. */
  createDatabase(): Promise<string>
  /** Signals the server and each process that serves a connection: SIGSTOP freezes all of it, SIGCONT thaws it. */
  kill(signal: NodeJS.Signals): Promise<void>
  /** Starts it again at the same address, with the same data, whether it runs or was killed. */
  restart(): Promise<void>
  /** Ends it and removes its data. Safe twice. */
  stop(): Promise<void>
}

/** Postgres refuses to run as root: then it runs as `nobody`. */
const owner = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}

export async function startPostgres(): Promise<TestPostgres> {
  const programs = await postgresPrograms()
  const directory = await mkdtemp(join(tmpdir(), 'lockstep-postgres-'))
  if (owner.uid !== undefined) await chown(directory, owner.uid, owner.gid)
  const data = join(directory, 'data')
  const environment = environmentOf(programs)
  await run(
    join(programs.directory, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
    { ...owner, cwd: directory, env: environment },
  )
  const port = await freePort()
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  let databases = 0

  async function launch(): Promise<ChildProcess> {
    const settings = {
      listen_addresses: '127.0.0.1',
      port,
      unix_socket_directories: '',
      fsync: 'off',
      full_page_writes: 'off',
      max_connections: 60,
      shared_buffers: '16MB',
    }
    const server = [
      join(programs.directory, 'postgres'),
      '-D',
      data,
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ]
    const [program = '', ...args] = [...(await endingWithUs()), ...server]
    const child = spawn(program, args, { ...owner, cwd: directory, env: environment, stdio: 'ignore' })
    await once(child, 'spawn')
    trackChild(child.pid!, 'the Postgres of a test')
    return child
  }

  async function launchUntilItAnswers(): Promise<ChildProcess> {
    let child = await launch()
    await eventually(async () => {
      // After a kill -9 the processes of its connections need a moment to go, and it does not start before.
      if (hasEnded(child)) child = await launch()
      await query(url, 'select 1')
    }, 20_000)
    return child
  }

  let server = await launchUntilItAnswers()
  // A third of the work where it can be chosen; nothing has to survive here.
  const [version] = await query(url, 'show server_version_num')
  const strategy = Number(version?.['server_version_num']) >= 150_000 ? 'strategy = file_copy' : ''

  async function signal(name: NodeJS.Signals): Promise<void> {
    for (const pid of [server.pid!, ...(await childrenOf(server.pid!))]) send(pid, name)
  }

  async function end(): Promise<void> {
    if (hasEnded(server)) return
    await signal('SIGCONT')
    const exit = once(server, 'exit')
    // Its "immediate shutdown": it ends its children and does not wait for clients.
    server.kill('SIGQUIT')
    await exit
  }

  return {
    url,
    async createDatabase() {
      const name = `test_${++databases}`
      await query(url, `create database ${name} ${strategy}`)
      return url.replace(/postgres$/, name)
    },
    async kill(name) {
      const ends = name !== 'SIGSTOP' && name !== 'SIGCONT'
      if (!ends) return signal(name)
      const exit = hasEnded(server) ? null : once(server, 'exit')
      const connections = await childrenOf(server.pid!)
      server.kill(name)
      await exit
      // What serves a connection may answer once more before it notices that the server has gone.
      await eventually(() => {
        if (connections.some(isAlive)) throw new Error('connections are still served')
      })
    },
    async restart() {
      await end()
      server = await launchUntilItAnswers()
    },
    async stop() {
      await end()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Runs one statement on a connection of its own. */
export async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
  client.on('error', () => {})
  await client.connect()
  try {
    const { rows } = await client.query(text)
    return rows
  } finally {
    await client.end()
  }
}

function environmentOf({ libraryPath }: PostgresPrograms): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    TZ: 'UTC',
    LC_ALL: 'C',
    ...(libraryPath && { LD_LIBRARY_PATH: libraryPath }),
  }
}

/** What to put before a command so that a test run that is killed leaves no server behind (Linux). */
async function endingWithUs(): Promise<string[]> {
  const help = await run('setpriv', ['--help']).catch(() => ({ stdout: '' }))
  return help.stdout.includes('--pdeathsig') ? ['setpriv', '--pdeathsig', 'SIGQUIT'] : []
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
  return text.split(' ').filter(Boolean).map(Number)
}

function send(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It has ended since it was listed.
  }
}
