import { askServer } from '../ask-server.ts'
import type { Command } from '../command.ts'
import { readArguments } from '../read-arguments.ts'

export const reload: Command = {
  name: 'reload',
  usages: ['reload'],
  summary:
    'Replaces all workers one by one, without losing a request. A build that cannot start changes nothing.',
  async run({ args, config, output }) {
    readArguments(args, {})
    const request = { command: 'reload', wait: true } as const
    const { replaced } = await askServer(config().dataDir, request, output.progress)
    output.result({ replaced }, `reloaded: ${replaced} ${replaced === 1 ? 'worker' : 'workers'} replaced`)
  },
}
