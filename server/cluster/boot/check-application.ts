import { fork } from 'node:child_process'
import type { Environment } from '../../../shared/config/environment.ts'
import type { CheckedApplication } from '../../entries/check-application.ts'

export interface CheckInChild {
  /** The module of the child. */
  readonly program: string
  /** What Node is told in the child. */
  readonly nodeArgs: readonly string[]
  readonly file: string
  readonly env: Environment
}

const withinMs = 60_000

/** What is wrong with the application, from a process that loads it and ends: this one must not. */
export async function checkInChild({
  program,
  nodeArgs,
  file,
  env,
}: CheckInChild): Promise<CheckedApplication> {
  const child = fork(program, [file], {
    env,
    execArgv: [...nodeArgs],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  return new Promise((resolve) => {
    const patience = setTimeout(() => child.kill('SIGKILL'), withinMs)
    let answer: CheckedApplication | null = null
    child.on('message', (message) => {
      answer = message as CheckedApplication
    })
    child.on('close', (code, signal) => {
      clearTimeout(patience)
      const how = signal === null ? `exit code ${code}` : `signal ${signal}`
      resolve(answer ?? { summary: null, problems: [`${file}: the process that loads it ended (${how})`] })
    })
  })
}
