/**
 * What a run of the tests leaves behind for its last test: everything that any server printed, and every secret
 * that passed between a test and a server. None of the one may contain any of the other. The processes of one run
 * share a directory, which the runner names; a process that runs alone looks at its own records.
 */
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { isAlive } from './children.ts'

const shared = process.env.TEST_RECORDS
const directory =
  shared ?? path.join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'lockstep', 'logs')
const outputFile = path.join(directory, `${process.pid}.log`)
const secretsFile = path.join(directory, `${process.pid}.secrets`)

mkdirSync(directory, { recursive: true, mode: 0o700 })
if (shared === undefined) {
  for (const name of readdirSync(directory)) {
    const pid = Number.parseInt(name, 10)
    if (pid === process.pid || !isAlive(pid)) rmSync(path.join(directory, name), { force: true })
  }
}
for (const file of [outputFile, secretsFile]) appendFileSync(file, '', { mode: 0o600 })

const known = new Set<string>()

export function recordOutput(text: string): void {
  appendFileSync(outputFile, text)
}

/** Remembers a password, token, cookie value or reset token. Short ones would be found everywhere by chance. */
export function recordSecret(secret: unknown): void {
  if (typeof secret !== 'string' || secret.length < 8 || known.has(secret)) return
  known.add(secret)
  appendFileSync(secretsFile, `${secret}\n`)
}

/** All output of the servers of this run, and the secrets that it must not contain. */
export function recordsOfRun(): { output: string; secrets: readonly string[] } {
  if (shared === undefined) return { output: readFileSync(outputFile, 'utf8'), secrets: [...known] }
  const textOf = (ending: string) =>
    readdirSync(directory)
      .filter((name) => name.endsWith(ending))
      .map((name) => readFileSync(path.join(directory, name), 'utf8'))
      .join('')
  return { output: textOf('.log'), secrets: [...new Set(textOf('.secrets').split('\n'))].filter(Boolean) }
}
