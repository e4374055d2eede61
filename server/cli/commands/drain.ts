import { askServer } from '../ask-server.ts'
import type { Command } from '../command.ts'
import { readArguments } from '../read-arguments.ts'

export const drain: Command = {
  name: 'drain',
  usages: ['drain ID'],
  summary: 'Replaces one worker, such as web-2: a new one takes over, the old one finishes and ends.',
  async run({ args, config, output }) {
    const { positionals } = readArguments(args, {}, { required: ['ID'] })
    const [id = ''] = positionals
    await askServer(config().dataDir, { command: 'drain', id, wait: true }, output.progress)
    output.result({ id }, `${id} was drained and replaced`)
  },
}
