/** The real pm2, with a home and a daemon of its own. */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { isAlive, trackChild } from './children.ts'
import { eventually } from './eventually.ts'
import { recordOutput } from './run-records.ts'

const program = path.join(import.meta.dirname, '..', '..', 'node_modules', 'pm2', 'bin', 'pm2')

export interface Pm2Process {
  readonly name: string
  readonly id: number
  readonly pid: number
  readonly status: string
  readonly restarts: number
}

export interface Pm2 {
  /** Runs a command of pm2; gives what it printed. Rejects when it fails. */
  run(...args: string[]): Promise<string>
  list(name?: string): Promise<Pm2Process[]>
  /** What the processes of this app have printed so far, on both streams. */
  logs(name: string): string
  /** Ends the daemon with everything that it runs, and removes its home. */
  kill(): Promise<void>
}

/** @param env what pm2 passes on to the apps, beside a minimal environment */
export async function startPm2(
  directory: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Pm2> {
  const home = await mkdtemp(path.join(tmpdir(), 'lockstep-pm2-'))
  const { PATH, TMPDIR, NODE_V8_COVERAGE } = process.env

  async function run(...args: string[]): Promise<string> {
    const child = spawn(process.execPath, [program, ...args], {
      cwd: directory,
      env: { PATH, TMPDIR, NODE_V8_COVERAGE, HOME: home, PM2_HOME: home, NO_COLOR: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (output += text))
    }
    const code = await new Promise((resolve) => child.once('close', resolve))
    if (code !== 0) throw new Error(`pm2 ${args.join(' ')} ended with ${String(code)}:\n${output}`)
    return output
  }

  async function list(name?: string): Promise<Pm2Process[]> {
    const output = await run('jlist', '--silent')
    const all = JSON.parse(output.slice(output.indexOf('['))) as any[]
    const processes = all.map(({ name, pm_id, pid, pm2_env }) => ({
      name,
      id: pm_id,
      pid,
      status: pm2_env.status,
      restarts: pm2_env.restart_time,
    }))
    for (const { pid } of processes) if (pid > 0) trackChild(pid, 'a process of pm2')
    return name === undefined ? processes : processes.filter((one) => one.name === name)
  }

  await run('ping')
  const daemon = Number(readFileSync(path.join(home, 'pm2.pid'), 'utf8'))
  trackChild(daemon, 'the daemon of pm2')

  function logs(name: string): string {
    const folder = path.join(home, 'logs')
    const files = readdirSync(folder).filter((file) => new RegExp(`^${name}-(out|error)`).test(file))
    return files.map((file) => readFileSync(path.join(folder, file), 'utf8')).join('')
  }

  return {
    run,
    list,
    logs,
    async kill() {
      for (const name of new Set((await list()).map((one) => one.name))) recordOutput(logs(name))
      await run('kill')
      await eventually(() => {
        if (isAlive(daemon)) throw new Error('the daemon of pm2 lives on')
      })
      await rm(home, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
