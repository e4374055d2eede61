/** What `lockstep` says about itself. */
import type { Command } from './command.ts'

/** As much of a command as its reader needs. */
export type Described = Pick<Command, 'name' | 'usages' | 'summary'>

/** Works before anything is built (server/lockstep.js). */
export const start: Described = {
  name: 'start',
  usages: ['start', 'start FILE'],
  summary:
    'Starts the server, with the application in FILE; in a checkout installs and builds what is missing first.',
}

/** Works before anything is built (server/lockstep.js). */
export const dev: Described = {
  name: 'dev',
  usages: ['dev', 'dev FILE'],
  summary:
    'Starts the server for development: one worker of each kind, and a saved change is served at once.',
}

export const help: Described = {
  name: 'help',
  usages: ['help [COMMAND]'],
  summary: 'Shows all commands, or how one is written, as COMMAND --help does.',
}

export const version: Described = {
  name: '--version',
  usages: ['--version'],
  summary: 'Shows the version.',
}

/** All commands on one page. */
export function generalHelp(commands: readonly Described[]): string {
  const lines = commands.map(({ usages, summary }) => `  ${usages.join('\n  ')}\n      ${summary}\n`)
  return `lockstep <command> [--json] [--app FILE]

${lines.join('')}
The commands read the same environment as the server, and are run where the server was started, so that they find its
data directory. With --app they know the settings, roles, limits and variables of the application in FILE. With --json the outcome is one line of JSON. Exit code 0: done; 1: it failed, and why is said; 2: the
command was not understood; 130: Ctrl-C where a password was asked for.
`
}

/** One command. */
export function commandHelp({ usages, summary }: Described): string {
  return `${usageText(usages)}\n${summary}\n`
}

/** The ways to write a command, one a line. */
export function usageText(usages: readonly string[]): string {
  return usages.map((usage, index) => `${index === 0 ? 'Usage:' : '      '} lockstep ${usage}\n`).join('')
}
