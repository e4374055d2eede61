import { commonPasswords } from './common-passwords.ts'
import { emailKey } from './email-key.ts'
import { isWellFormed } from './stored-text.ts'

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
  // The mark stands where a terminal or a pipe could not be read: whatever stood there.
  if (!isWellFormed(password) || password.includes('\ufffd')) return 'must not contain half a character'
  const length = [...password].length
  if (length < shortest) return `must have at least ${shortest} characters`
  if (length > longest) return `must have at most ${longest} characters`
  const key = emailKey(password)
  if (email !== undefined && (key === emailKey(email) || key === localPart(email))) {
    return 'must not be the e-mail address'
  }
  if (name !== undefined && key === emailKey(name)) return 'must not be the name of its owner'
  if (key === 'lockstep') return 'must not be the name of this product'
  if (isRepetition(key)) return 'is a few characters over and over: choose one that nobody would try'
  if (refused.has(key)) return 'is one of the most common passwords: choose one that nobody would try'
  return null
}

/** `12341234`, `hahahaha`: long passphrases may repeat themselves as they like. */
function isRepetition(key: string): boolean {
  return [...key].length <= 12 && /^(.{1,6}?)\1+$/u.test(key)
}

function localPart(email: string): string {
  const key = emailKey(email)
  return key.slice(0, key.lastIndexOf('@'))
}
