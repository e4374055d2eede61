import { askServer } from '../ask-server.ts'
import type { Command } from '../command.ts'
import { count } from '../count.ts'
import { readArguments } from '../read-arguments.ts'

export const reload: Command = {
  name: 'reload',
  usages: ['reload [--parallel N]'],
  summary:
    'Replaces all workers, one or N at a time, without losing a request. A build that cannot start changes nothing.',
  async run({ args, config, output }) {
    const { values } = readArguments(args, { parallel: { type: 'string' } } as const)
    const parallel =
      values.parallel === undefined ? {} : { parallel: count('--parallel', values.parallel, 1) }
    const request = { command: 'reload', wait: true, ...parallel } as const
    const { replaced } = await askServer(config().dataDir, request, output.progress)
    output.result({ replaced }, `reloaded: ${replaced} ${replaced === 1 ? 'worker' : 'workers'} replaced`)
  },
}
