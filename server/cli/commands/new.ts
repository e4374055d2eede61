import path from 'node:path'
import type { Command } from '../command.ts'
import { createApplication } from '../new/create-application.ts'
import { readArguments } from '../read-arguments.ts'
import { readVersion } from '../version.ts'

export const create: Command = {
  name: 'new',
  usages: ['new NAME', 'new NAME --lockstep VERSION'],
  summary: 'Writes a new application in TypeScript: a route, a job, a schedule, a limit, a page and a test.',
  async run({ args, output }) {
    const { values, positionals } = readArguments(
      args,
      { lockstep: { type: 'string', default: `^${readVersion()}` } },
      { required: ['NAME'] },
    )
    const [place = ''] = positionals
    const written = await createApplication({ place, cwd: process.cwd(), lockstep: values.lockstep })
    output.result(written, nextSteps(written.name, path.relative(process.cwd(), written.directory)))
  },
}

function nextSteps(name: string, directory: string): string {
  return [
    `${name} was written. Next:`,
    '',
    `  cd ${directory === '' ? '.' : directory}`,
    '  npm install',
    '  npm start      builds it, and starts it with a Redis of its own',
    '  npm test',
    '',
  ].join('\n')
}
