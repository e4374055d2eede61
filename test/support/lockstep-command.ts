import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { trackChild } from './children.ts'
import { recordOutput } from './run-records.ts'

const bin = path.join(import.meta.dirname, '..', '..', 'server', 'lockstep.js')

export interface CommandOutcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** What it printed with `--json`: the last line. */
  json(): any
}

export interface CommandSurroundings {
  readonly dataDir: string
  readonly env?: Readonly<Record<string, string | undefined>>
  /** What is piped in. */
  readonly input?: string
}

/** Runs the `lockstep` command as a script would. */
export async function lockstep(
  { dataDir, env = {}, input = '' }: CommandSurroundings,
  ...args: string[]
): Promise<CommandOutcome> {
  const { PATH, HOME, TMPDIR, NODE_V8_COVERAGE } = process.env
  const child = spawn(process.execPath, [bin, ...args], {
    env: { PATH, HOME, TMPDIR, NODE_V8_COVERAGE, DATA_DIR: dataDir, ...env },
  })
  trackChild(child.pid ?? 0, `lockstep ${args.join(' ')}`)
  const read = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      read[name] += text
      recordOutput(text)
    })
  }
  // A command that is refused may end before it reads.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [code] = (await once(child, 'close')) as [number | null]
  return { ...read, code, json: () => JSON.parse(read.stdout.trimEnd().split('\n').at(-1) ?? '') }
}
