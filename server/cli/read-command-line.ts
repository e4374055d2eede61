export interface CommandLine {
  /** The first word, or nothing. */
  readonly name: string
  readonly args: readonly string[]
  readonly json: boolean
  readonly asksHelp: boolean
}

/** Takes out what every command understands, wherever it stands; after `--` everything is an argument. */
export function readCommandLine(words: readonly string[]): CommandLine {
  const end = words.includes('--') ? words.indexOf('--') : words.length
  const before = words.slice(0, end)
  const own = before.filter((word) => word !== '--json' && !isHelp(word))
  const [name = '', ...args] = [...own, ...words.slice(end)]
  return { name, args, json: before.includes('--json'), asksHelp: before.some(isHelp) }
}

function isHelp(word: string): boolean {
  return word === '--help' || word === '-h'
}
