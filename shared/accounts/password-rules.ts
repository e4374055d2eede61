import { commonPasswords } from './common-passwords.ts'
import { emailKey } from './email-key.ts'

const shortest = 8
const longest = 128

/** Whose password it will be. */
export interface PasswordOwner {
  readonly email?: string
  readonly name?: string
}

/**
 * What is wrong with a new password, to be put behind the name of its field; null when nothing is. By ASVS 6.2:
 * long enough, not one of those that are tried first, and otherwise as its owner likes it.
 *
 * `refused` takes the place of the list of common passwords: `new Set([...commonPasswords(), 'our-company'])`.
 * Its entries are in lower case.
 */
export function passwordProblem(
  password: string,
  { email, name }: PasswordOwner,
  refused: ReadonlySet<string> = commonPasswords(),
): string | null {
  const length = [...password].length
  if (length < shortest) return `must have at least ${shortest} characters`
  if (length > longest) return `must have at most ${longest} characters`
  const key = emailKey(password)
  if (email !== undefined && (key === emailKey(email) || key === localPart(email))) {
    return 'must not be the e-mail address'
  }
  if (name !== undefined && key === emailKey(name)) return 'must not be the name of its owner'
  if (key === 'lockstep') return 'must not be the name of this product'
  if (refused.has(key)) return 'is one of the most common passwords: choose one that nobody would try'
  return null
}

function localPart(email: string): string {
  const key = emailKey(email)
  return key.slice(0, key.lastIndexOf('@'))
}
