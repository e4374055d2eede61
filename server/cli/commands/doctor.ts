import type { Command } from '../command.ts'
import type { Finding } from '../doctor/finding.ts'
import { readArguments } from '../read-arguments.ts'

export const doctor: Command = {
  name: 'doctor',
  usages: ['doctor'],
  summary: 'Examines the configuration, Redis, the database, ports, clocks and the system; says what to do.',
  async run({ args, config, searchPath, output }) {
    readArguments(args, {})
    // It takes many modules, which the other commands need not wait for.
    const { examine } = await import('../doctor/examine.ts')
    const findings = await examine({ config, searchPath })
    const healthy = findings.every(({ level }) => level !== 'problem')
    output.result({ findings }, report(findings), healthy)
    if (!healthy) return 'failed'
  },
}

const marks = { ok: ' ok ', warning: 'warn', problem: 'FAIL' } as const

function report(findings: readonly Finding[]): string {
  const lines = findings.map(({ about, level, text }) => `${marks[level]}  ${about.padEnd(13)}  ${text}`)
  return [...lines, '', summary(findings)].join('\n')
}

function summary(findings: readonly Finding[]): string {
  const count = (level: Finding['level']) => findings.filter((finding) => finding.level === level).length
  const [problems, warnings] = [count('problem'), count('warning')]
  if (problems > 0) return `${problems} to mend before the server can start or keep its promises.`
  return warnings > 0 ? `It can start; ${warnings} to look at.` : 'All is well.'
}
