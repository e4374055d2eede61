/**
 * What a command says: lines for people, or JSON for programs. Standard output holds the outcome alone unless it is a
 * terminal, so that it can be piped into another program.
 */
import type { Progress } from '../cluster/supervision/supervisor.ts'
import { usageText } from './help.ts'

export interface OutputStream {
  readonly isTTY?: boolean
  write(text: string): unknown
}

export interface Output {
  /** The outcome: the object with `--json`, the text for people otherwise. */
  result(value: object, text: string, ok?: boolean): void
  /** A step on the way: a line for people on a terminal; otherwise JSON beside the outcome, on standard error. */
  progress(progress: Progress): void
  failure(failure: Failure): void
}

export interface Failure {
  readonly message: string
  readonly code?: string
  /** The ways to write the command, where it was not written so. */
  readonly usage?: readonly string[]
}

export interface OutputOptions {
  readonly json: boolean
  readonly stdout: OutputStream
  readonly stderr: OutputStream
}

const stepWords = {
  starting: 'is starting',
  ready: 'is ready',
  draining: 'finishes what is under way',
  ended: 'has ended',
} as const

export function createOutput({ json, stdout, stderr }: OutputOptions): Output {
  const line = (stream: OutputStream, value: object) => void stream.write(`${JSON.stringify(value)}\n`)

  return {
    result(value, text, ok = true) {
      if (json) line(stdout, { ok, ...value })
      else stdout.write(text.endsWith('\n') ? text : `${text}\n`)
    },
    progress(progress) {
      if (json || !stdout.isTTY) return line(stderr, { progress })
      const process = progress.pid === undefined ? '' : ` (process ${progress.pid})`
      stdout.write(`${progress.worker}${process} ${stepWords[progress.step]}\n`)
    },
    failure({ message, code = 'failed', usage }) {
      const text = message.trimEnd()
      if (json) line(stdout, { ok: false, code, message: text, ...(usage ? { usage } : {}) })
      else stderr.write(`lockstep: ${text}\n${usage ? usageText(usage) : ''}`)
    },
  }
}

/** A moment, for people and programs alike. */
export function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}

/** Columns for people. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
