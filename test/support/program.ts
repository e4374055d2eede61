/** A program of somebody who has installed us, run as they run it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { trackChild } from './children.ts'
import { eventually } from './eventually.ts'
import { recordOutput } from './run-records.ts'

export interface RunningProgram {
  readonly pid: number
  /** What it has printed so far, on both streams. */
  output(): string
  /** The lines of its log so far. */
  logged(): Record<string, any>[]
  signal(signal: NodeJS.Signals): void
  /** Its exit code, or null when a signal ended it; both of its streams have ended by then. */
  readonly exited: Promise<number | null>
  /** Ends it gracefully and expects the exit code 0. */
  stop(): Promise<void>
}

export function runProgram(
  folder: string,
  file: string,
  env: Readonly<Record<string, string>> = {},
): RunningProgram {
  const { PATH, HOME, TMPDIR, NODE_V8_COVERAGE } = process.env
  const child = spawn(process.execPath, [path.join(folder, file)], {
    cwd: folder,
    env: { PATH, HOME, TMPDIR, NODE_V8_COVERAGE, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  trackChild(child.pid ?? 0, `${file} of a test`)
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed += text
      recordOutput(text)
    })
  }
  const exited = once(child, 'close').then(([code]) => code as number | null)
  const patience = setTimeout(() => child.kill('SIGKILL'), 120_000)
  void exited.then(() => clearTimeout(patience))
  return {
    pid: child.pid ?? 0,
    output: () => printed,
    logged: () => printed.split('\n').flatMap(parsedLine),
    signal: (signal) => void child.kill(signal),
    exited,
    async stop() {
      child.kill('SIGTERM')
      const code = await exited
      if (code !== 0) throw new Error(`${file} ended with ${code}:\n${printed}`)
    },
  }
}

/** Waits for a line of its log with this message, and gives it. */
export function line(program: RunningProgram, message: string): Promise<Record<string, any>> {
  return eventually(() => {
    const found = program.logged().find(({ msg }) => msg === message)
    if (found === undefined) throw new Error(`it does not say ${message}:\n${program.output()}`)
    return found
  }, 30_000)
}

function parsedLine(text: string): Record<string, any>[] {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? [value] : []
  } catch {
    return []
  }
}
