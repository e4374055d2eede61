import { randomBytes } from 'node:crypto'

/** 32 characters that are not taken for one another, in print or on the telephone: no 0, 1, i or l. */
const alphabet = '23456789abcdefghjkmnopqrstuvwxyz'

/** A random password of 125 bits, for people to copy: `k7m3q-9xw2p-…`, five groups of five. */
export function generatePassword(): string {
  const characters = Array.from(randomBytes(25), (byte) => alphabet[byte % alphabet.length]).join('')
  return characters.match(/.{5}/g)!.join('-')
}
