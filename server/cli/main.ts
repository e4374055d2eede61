/** The entry of the `lockstep` command, and the only place of it that knows the environment and exit codes. */
import { loadConfig } from '../../shared/config.ts'
import { ConfigurationError } from '../../shared/errors.ts'
import { availableCpus } from '../cluster/available-cpus.ts'
import { CommandFailed, UsageError, type Command } from './command.ts'
import { commands } from './commands.ts'
import { createOutput } from './output.ts'
import { createQuestions } from './questions.ts'

const exitCode = { done: 0, failed: 1, usage: 2 } as const

const [name = '', ...args] = process.argv.slice(2)
const output = createOutput({
  json: args.includes('--json'),
  stdout: process.stdout,
  stderr: process.stderr,
})

process.exitCode = await run()

async function run(): Promise<number> {
  const command = commands.find((known) => known.name === name)
  if (command === undefined) {
    if (['', 'help', '--help', '-h'].includes(name)) {
      process.stdout.write(help())
      return name === '' ? exitCode.usage : exitCode.done
    }
    // Alone it never comes here (server/lockstep.js).
    const start = name === 'start' ? 'start takes no arguments: it reads the environment' : null
    output.failure({
      message: start ?? `there is no command ${JSON.stringify(name)}. Try lockstep help.`,
    })
    return exitCode.usage
  }
  try {
    const outcome = await command.run({
      args: args.filter((argument) => argument !== '--json'),
      config: () => loadConfig(process.env, { cpus: availableCpus(), cwd: process.cwd() }),
      searchPath: process.env.PATH ?? '',
      output,
      questions: createQuestions(process.stdin, process.stderr),
    })
    return outcome === 'failed' ? exitCode.failed : exitCode.done
  } catch (cause) {
    return failure(command, cause)
  }
}

function failure(command: Command, cause: unknown): number {
  if (cause instanceof UsageError) {
    output.failure({ message: `${cause.message}\n${usageOf(command)}` })
    return exitCode.usage
  }
  if (cause instanceof CommandFailed) output.failure(cause)
  else if (cause instanceof ConfigurationError) output.failure({ message: cause.problems.join('\n') })
  else output.failure({ message: cause instanceof Error ? cause.message : String(cause) })
  return exitCode.failed
}

function usageOf({ usages }: Command): string {
  return usages.map((usage, index) => `${index === 0 ? 'Usage:' : '      '} lockstep ${usage}\n`).join('')
}

function help(): string {
  const lines = commands.map(({ usages, summary }) => `  ${usages.join('\n  ')}\n      ${summary}\n`)
  return `lockstep <command> [--json]

  start
      Starts the server here: installs and builds what is missing first.
${lines.join('')}
The commands read the same environment as the server, and are run where the server was started, so that they find its
data directory. Exit code 0: done; 1: it failed, and why is said; 2: the command was not understood.
`
}
