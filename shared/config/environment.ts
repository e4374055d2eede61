import { withoutUrlSecrets } from '../kernel/redact.ts'
import { Refusal, type Grammar } from './grammar.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** Reads variables one by one, remembers each name that was asked for, and collects what is wrong. */
export interface EnvironmentReader {
  /** The value of the variable, or `fallback` when it is not set or wrong. */
  read<T, F>(name: string, grammar: Grammar<T>, fallback: F): T | F
  isSet(name: string): boolean
  readonly asked: ReadonlySet<string>
}

export function createEnvironmentReader(env: Environment, problems: string[]): EnvironmentReader {
  const asked = new Set<string>()
  return {
    asked,
    isSet: (name) => env[name] !== undefined,
    read(name, grammar, fallback) {
      asked.add(name)
      const text = env[name]
      if (text === undefined || (text === '' && grammar.emptyIsUnset)) return fallback
      if (text === '') {
        problems.push(`${name} is set but empty. Unset it, or give it a value such as ${grammar.example}.`)
        return fallback
      }
      const value = grammar.parse(text)
      if (!(value instanceof Refusal)) return value
      const hint = value.hint === undefined ? '' : ` (${value.hint})`
      problems.push(
        `${name}=${shown(text, grammar)} is not accepted${hint}. ` +
          `It accepts ${grammar.accepts}; for example ${name}=${grammar.example}.`,
      )
      return fallback
    },
  }
}

/** The value as it may be shown: quoted, cut, and without passwords even where a URL is malformed. */
function shown(text: string, grammar: Grammar<unknown>): string {
  if (grammar.secret) return '…'
  const clean = withoutUrlSecrets(text).replace(/^[^/]*@/, '[redacted]@')
  return JSON.stringify(clean.length > 100 ? `${clean.slice(0, 100)}…` : clean)
}
