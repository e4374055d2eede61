import { askServer } from '../ask-server.ts'
import { readArguments, type Command } from '../command.ts'

export const drain: Command = {
  name: 'drain',
  usages: ['drain ID'],
  summary: 'Replaces one worker, such as web-2: a new one takes over, the old one finishes and ends.',
  async run({ args, config, output }) {
    const { positionals } = readArguments(args, {}, { least: 1, most: 1 })
    const [id = ''] = positionals
    await askServer(config().dataDir, { command: 'drain', id, wait: true }, output.progress)
    output.result({ id }, `${id} was drained and replaced`)
  },
}
