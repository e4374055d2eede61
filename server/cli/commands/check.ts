import type { ApplicationSummary } from '../../entries/check-application.ts'
import type { Command } from '../command.ts'
import { readArguments } from '../read-arguments.ts'

export const check: Command = {
  name: 'check',
  usages: ['check FILE'],
  summary: 'Shows what an application has, or everything that is wrong with it, without starting it.',
  async run({ args, environment, output }) {
    const [file] = readArguments(args, {}, { required: ['FILE'] }).positionals
    // It takes every module of a web worker, which the other commands need not wait for.
    const { checkApplication } = await import('../../entries/check-application.ts')
    const { problemsText } = await import('../../cluster/boot/announcements.ts')
    const checked = await checkApplication({ file, environment, cwd: process.cwd() })
    const { summary, problems } = checked
    const sound = summary !== null && problems.length === 0
    output.result(checked, sound ? describe(summary) : problemsText(problems), sound)
    return sound ? undefined : 'misconfigured'
  },
}

function describe({ name, features, ...lists }: ApplicationSummary): string {
  const lines = Object.entries(lists)
    .filter(([, entries]) => entries.length > 0)
    .map(([list, entries]) => `  ${list.padEnd(10)} ${entries.join(', ')}`)
  const without = Object.keys(features).filter((feature) => features[feature] === false)
  if (without.length > 0) lines.push(`  ${'without'.padEnd(10)} ${without.join(', ')}`)
  return [`${name} can be started.`, ...lines].join('\n')
}
