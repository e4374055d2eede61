/** What is put in the place of a secret. */
export const redacted = '[redacted]'

const userInfo = /([a-z][a-z0-9+.-]*:\/\/)[^\s"'<>]*@/gi
const query = /([a-z][a-z0-9+.-]*:\/\/[^\s"'<>?#]*)[?#][^\s"'<>]*/gi

/**
 * The text with the secret parts of every URL in it left out: user and password (to the last `@`, since people
 * forget to escape one in a password), and what follows `?` or `#` (reset tokens, `?password=`).
 */
export function withoutUrlSecrets(text: string): string {
  if (!text.includes('://')) return text
  return text.replace(userInfo, `$1${redacted}@`).replace(query, `$1?${redacted}`)
}

/** Whether a field of this name holds a secret, however it is written (`set-cookie`, `newPassword`, `API_TOKEN`). */
export function namesSecret(name: string): boolean {
  return /pass(word|wd|phrase)|token|secret|cookie|authorization|credential|^(host)?sid$/.test(
    name.toLowerCase().replace(/[^a-z0-9]/g, ''),
  )
}
