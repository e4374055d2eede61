import { askServer } from '../ask-server.ts'
import { count } from '../count.ts'
import { UsageError, type Command } from '../command.ts'
import { readArguments } from '../read-arguments.ts'

export const scale: Command = {
  name: 'scale',
  usages: ['scale --web N', 'scale --jobs N'],
  summary: 'Changes how many web workers and job workers this host runs, until the server stops.',
  async run({ args, config, output }) {
    const options = { web: { type: 'string' }, jobs: { type: 'string' } } as const
    const { values } = readArguments(args, options)
    if (values.web === undefined && values.jobs === undefined)
      throw new UsageError('say --web, --jobs, or both')
    const request = {
      command: 'scale',
      wait: true,
      ...(values.web === undefined ? {} : { web: count('--web', values.web, 1) }),
      ...(values.jobs === undefined ? {} : { jobs: count('--jobs', values.jobs, 0) }),
    } as const
    const { web, jobs } = await askServer(config().dataDir, request, output.progress)
    output.result({ web, jobs }, `scaled: ${web} web, ${jobs} jobs`)
  },
}
