/** What a benchmark leaves: a table on the terminal, and the same with all its figures in `results`. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import path from 'node:path'

export interface Table {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly (string | number)[])[]
}

export interface Report {
  /** Of the files. */
  readonly name: string
  readonly title: string
  /** What was measured and how to read it. */
  readonly explanation: readonly string[]
  readonly tables: readonly Table[]
  /** For machines: everything that the tables were made of. */
  readonly figures: unknown
}

export function writeReport({ name, title, explanation, tables, figures }: Report): void {
  const machine = machineFacts()
  const facts = `${machine.cores} cores (${machine.cpu}), Node ${machine.node}, ${machine.date}`
  const text = [`# ${title}`, ...explanation, ...tables.map(markdown), `Measured on ${facts}.`].join('\n\n')
  const directory = path.join(import.meta.dirname, '..', 'results')
  mkdirSync(directory, { recursive: true })
  writeFileSync(path.join(directory, `${name}.md`), `${text}\n`)
  writeFileSync(path.join(directory, `${name}.json`), `${JSON.stringify({ machine, figures }, null, 2)}\n`)
  process.stdout.write(`\n${text}\n`)
}

function machineFacts() {
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    node: process.versions.node,
    date: new Date().toISOString().slice(0, 10),
  }
}

function markdown({ columns, rows }: Table): string {
  const lines = [columns, ...rows].map((row) => row.map(String))
  const widths = columns.map((_, place) => Math.max(...lines.map((line) => (line[place] ?? '').length)))
  const [head = [], ...body] = lines.map((line) => line.map((cell, place) => pad(cell, place, widths[place])))
  const rule = widths.map((width, place) => (place === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`))
  return [head, rule, ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function pad(cell: string, place: number, width = 0): string {
  return place === 0 ? cell.padEnd(width) : cell.padStart(width)
}
