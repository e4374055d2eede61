/** Asks for what must not be an argument: other users of the machine see those, and the shell keeps them. */
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { CommandFailed } from './command.ts'

export interface Questions {
  /** A password: typed unseen on a terminal (twice when it is a new one), or the first line of standard input. */
  password(): Promise<string>
}

type Input = NodeJS.ReadStream

export function createQuestions(input: Input, terminal: Writable): Questions {
  async function typed(prompt: string): Promise<string> {
    terminal.write(prompt)
    const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
    const answer = await firstLine(input, nowhere, true)
    terminal.write('\n')
    return answer
  }

  return {
    async password() {
      if (!input.isTTY) return firstLine(input, undefined, false)
      const password = await typed('New password: ')
      if ((await typed('The same again: ')) !== password) throw new CommandFailed('these were not the same')
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
    lines.once('SIGINT', () => lines.close())
    lines.once('close', () => {
      reject(new CommandFailed('no password was given: type it, or pipe it to standard input'))
    })
  })
}
