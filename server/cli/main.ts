/** The entry of the `lockstep` command, and the only place of it that knows the environment and exit codes. */
import type { App } from '../../shared/app/app.ts'
import { loadConfig } from '../../shared/config/config.ts'
import { ConfigurationError, messageOf } from '../../shared/kernel/errors.ts'
import { applicationFile } from '../../shared/process/assignment.ts'
import { readEnvFile } from '../../shared/process/env-file.ts'
import { availableCpus } from '../cluster/boot/available-cpus.ts'
import { CommandFailed, Interrupted, UsageError, type Command } from './command.ts'
import { commands } from './commands.ts'
import { commandHelp, dev, generalHelp, help, start, version, type Described } from './help.ts'
import { createOutput } from './output.ts'
import { createQuestions } from './questions.ts'
import { readCommandLine } from './read-command-line.ts'
import { readVersion } from './version.ts'

const exitCode = { done: 0, failed: 1, usage: 2, misconfigured: 78, interrupted: 130 } as const

// Whoever read our output has gone (`lockstep status | head -1`): what was asked for goes on, and no one is told.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EPIPE') throw cause
  })

const described: readonly Described[] = [start, dev, ...commands, help, version]

const { name, args, json, asksHelp, app: named } = readCommandLine(process.argv.slice(2))
const output = createOutput({ json, stdout: process.stdout, stderr: process.stderr })

process.exitCode = await run()

async function run(): Promise<number> {
  if (asksHelp) return tellHelp(name)
  if (name === help.name) return tellHelp(args[0] ?? '')
  if (name === version.name) return tellVersion()
  if (name === '') return tellNothingAsked()
  // Alone it never comes here (server/lockstep.js).
  const begun = [start, dev].find((each) => each.name === name)
  if (begun) return misuse(`${name} takes one argument, the file of an application, or none`, begun)
  const command = commands.find((known) => known.name === name)
  return command === undefined ? unknownCommand(name) : carryOut(command)
}

async function carryOut(command: Command): Promise<number> {
  try {
    readEnvFile()
    const app = await findApplication()
    const outcome = await command.run({
      args,
      environment: process.env,
      app,
      config: () =>
        loadConfig(process.env, {
          cpus: availableCpus(),
          cwd: process.cwd(),
          applicationName: app?.name ?? null,
          applicationVariables: Object.keys(app?.env?.shape ?? {}),
        }),
      searchPath: process.env.PATH ?? '',
      output,
      questions: createQuestions(process.stdin, process.stderr),
    })
    return exitCode[outcome ?? 'done']
  } catch (cause) {
    return failure(command, cause)
  }
}

/** An application has settings, roles, limits and variables of its own, which nothing but its module knows. */
async function findApplication(): Promise<App | null> {
  const file = named ?? applicationFile(process.env)
  if (file === null) return null
  // It takes modules that the other calls need not wait for.
  const { loadApp } = await import('../../shared/app/load-app.ts')
  return (await loadApp(file)).app
}

function failure(command: Command, cause: unknown): number {
  if (cause instanceof UsageError) return misuse(cause.message, command)
  if (cause instanceof Interrupted) return exitCode.interrupted
  if (cause instanceof CommandFailed) output.failure(cause)
  else if (cause instanceof ConfigurationError) output.failure({ message: cause.problems.join('\n') })
  else output.failure({ message: messageOf(cause) })
  return exitCode.failed
}

function misuse(message: string, command?: Described): number {
  output.failure({ message, code: 'usage', ...(command ? { usage: command.usages } : {}) })
  return exitCode.usage
}

function unknownCommand(word: string): number {
  return misuse(`there is no command ${JSON.stringify(word)}. Try lockstep help.`)
}

/** Of all commands when none is named. */
function tellHelp(word: string): number {
  if (word === '') {
    output.result({ commands: described.map(asJson) }, generalHelp(described))
    return exitCode.done
  }
  const command = described.find((known) => known.name === word)
  if (command === undefined) return unknownCommand(word)
  output.result(asJson(command), commandHelp(command))
  return exitCode.done
}

function tellVersion(): number {
  if (args[0] !== undefined) return misuse(`one too many: ${JSON.stringify(args[0])}`, version)
  const ours = readVersion()
  output.result({ version: ours }, ours)
  return exitCode.done
}

/** Someone who tries it out is shown all there is; a script has made a mistake. */
function tellNothingAsked(): number {
  if (json) return misuse('no command was given. Try lockstep help.')
  tellHelp('')
  return exitCode.usage
}

function asJson({ name, usages, summary }: Described): object {
  return { name, usage: usages, summary }
}
