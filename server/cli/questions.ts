/** Asks for what must not be an argument: other users of the machine see those, and the shell keeps them. */
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { CommandFailed, Interrupted } from './command.ts'

export interface Questions {
  /**
   * A new password: typed unseen on a terminal, twice, or the first line of standard input. `check` throws when it
   * will not do, before it is asked for again. Throws `Interrupted` on Ctrl-C.
   */
  password(check: (password: string) => void): Promise<string>
}

type Input = NodeJS.ReadStream

export function createQuestions(input: Input, terminal: Writable): Questions {
  async function typed(prompt: string): Promise<string> {
    terminal.write(prompt)
    const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
    try {
      return await firstLine(input, nowhere, true)
    } finally {
      // What comes next has a line of its own, however this one ended.
      terminal.write('\n')
    }
  }

  return {
    async password(check) {
      const password = input.isTTY ? await typed('New password: ') : await firstLine(input, undefined, false)
      check(password)
      if (input.isTTY && (await typed('The same again: ')) !== password)
        throw new CommandFailed('these were not the same')
      return password
    },
  }
}

function firstLine(input: Input, output: Writable | undefined, terminal: boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    const lines = createInterface({ input, terminal, ...(output ? { output } : {}) })
    lines.once('line', (line) => {
      resolve(line)
      lines.close()
    })
    lines.once('SIGINT', () => {
      reject(new Interrupted())
      lines.close()
    })
    lines.once('close', () => {
      reject(new CommandFailed('no password was given: type it, or pipe it to standard input'))
    })
  })
}
