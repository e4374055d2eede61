import { parseArgs } from 'node:util'
import { listed } from '../../shared/config/grammar.ts'
import { UsageError } from './command.ts'

/** Every option of ours takes a value. */
type Options = Readonly<Record<string, { readonly type: 'string'; readonly default?: string }>>

/** What a command takes beside its options, by the names in its usage: `EMAIL`. */
export interface Positionals {
  readonly required?: readonly string[]
  readonly optional?: readonly string[]
}

export interface ReadArguments<Known extends Options> {
  readonly values: {
    readonly [Name in keyof Known]: Known[Name] extends { readonly default: string }
      ? string
      : string | undefined
  }
  readonly positionals: readonly string[]
}

/** Takes arguments apart; what is missing, and what no one asked for, is a `UsageError`. */
export function readArguments<Known extends Options>(
  args: readonly string[],
  options: Known,
  { required = [], optional = [] }: Positionals = {},
): ReadArguments<Known> {
  refuseOddOptions(args, options)
  const read = parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
  const given = read.positionals.length
  const missing = required.slice(given)
  if (missing.length > 0) {
    throw new UsageError(`${listed(missing, 'and')} ${missing.length === 1 ? 'is' : 'are'} missing`)
  }
  const most = required.length + optional.length
  if (given > most) throw new UsageError(`one too many: ${JSON.stringify(read.positionals[most])}`)
  return read as unknown as ReadArguments<Known>
}

/** Finds what `parseArgs` would refuse, since its own words are for programmers. */
function refuseOddOptions(args: readonly string[], options: Options): void {
  const { tokens } = parseArgs({
    args: [...args],
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  })
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    const { name, rawName, value, inlineValue } = token
    if (!Object.hasOwn(options, name)) throw new UsageError(`there is no option ${rawName}`)
    // In `--name --roles admin` the name was forgotten. `--name=-x` is meant.
    const isNext = inlineValue !== true && /^-./.test(value ?? '')
    if (value === undefined || value === '' || isNext) throw new UsageError(`${rawName} needs a value`)
  }
}
