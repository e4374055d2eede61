export interface CommandLine {
  /** The first word, or nothing. */
  readonly name: string
  readonly args: readonly string[]
  readonly json: boolean
  readonly asksHelp: boolean
  /** The file of the application whose server it is about; null when none was named. */
  readonly app: string | null
}

/** Takes out what every command understands, wherever it stands; after `--` everything is an argument. */
export function readCommandLine(words: readonly string[]): CommandLine {
  const end = words.includes('--') ? words.indexOf('--') : words.length
  const { app, rest: before } = takeApp(words.slice(0, end))
  const own = before.filter((word) => word !== '--json' && !isHelp(word))
  const [name = '', ...args] = [...own, ...words.slice(end)]
  return { name, args, json: before.includes('--json'), asksHelp: before.some(isHelp), app }
}

/** `--app FILE` or `--app=FILE`. Of several the last; without a file it is empty, and no file is called so. */
function takeApp(words: readonly string[]): { app: string | null; rest: string[] } {
  let app: string | null = null
  const rest: string[] = []
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string
    if (word === '--app') app = words[++at] ?? ''
    else if (word.startsWith('--app=')) app = word.slice('--app='.length)
    else rest.push(word)
  }
  return { app, rest }
}

function isHelp(word: string): boolean {
  return word === '--help' || word === '-h'
}
