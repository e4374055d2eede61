import { emailKey } from './email-key.ts'

/** What no database here can keep as it is: SQLite ends a text at NUL, Postgres refuses it, half pairs change. */
const unstorable = /[\0\p{Cs}]/u

/** Has a text only whole characters? In UTF-8 the half of any pair becomes the same mark. */
export function isWellFormed(text: string): boolean {
  return !/\p{Cs}/u.test(text)
}

/** In characters; with four bytes each still below what an index entry of Postgres can hold. */
const longestEmail = 254

/** A text that the accounts can't keep. The message names the field and never repeats the text. */
export class UnstorableText extends Error {
  readonly status = 422
  readonly expose = true

  constructor(field: string, fault: string) {
    super(`${field} ${fault}`)
    this.name = 'UnstorableText'
  }
}

/** The text, for writing. Throws `UnstorableText`. */
export function storable(field: string, text: string): string {
  if (unstorable.test(text)) throw new UnstorableText(field, 'must not contain NUL or half a character')
  return text
}

/** The address as it is shown, and the key by which it is unique. Throws `UnstorableText`. */
export function storableEmail(email: string): { email: string; email_key: string } {
  const shown = storable('email', email.trim())
  const key = emailKey(shown)
  if (key === '') throw new UnstorableText('email', 'must not be empty')
  if (shown.length > longestEmail || key.length > longestEmail) {
    throw new UnstorableText('email', `must have at most ${longestEmail} characters`)
  }
  return { email: shown, email_key: key }
}

/** The text with a mark in the place of what can't be kept: for notes, where the rest still says enough. */
export function withoutUnstorable(text: string): string {
  return text.replace(new RegExp(unstorable, 'gu'), '\ufffd')
}

/** Whether a text can be in the database at all; what can't need not be looked for. */
export function mayBeStored(text: string): boolean {
  return !unstorable.test(text)
}
