/** What is put in the place of a secret. */
export const redacted = '[redacted]'

/**
 * The text with the secret parts of every URL in it left out: user and password (to the last `@`, since people
 * forget to escape one in a password), and what follows `?` or `#` (reset tokens, `?password=`). Takes time in
 * proportion to the text, whatever a client wrote into it.
 */
export function withoutUrlSecrets(text: string): string {
  return text.includes('://') ? text.replace(/[^\s"'<>]+/g, withoutSecretParts) : text
}

function withoutSecretParts(word: string): string {
  const scheme = word.indexOf('://') + '://'.length
  if (scheme < '://'.length) return word
  const at = word.lastIndexOf('@')
  const address = at < scheme ? word : `${word.slice(0, scheme)}${redacted}${word.slice(at)}`
  const query = address.search(/[?#]/)
  return query < 0 ? address : `${address.slice(0, query)}?${redacted}`
}

/** Whether a field of this name holds a secret, however it is written (`set-cookie`, `newPassword`, `API_TOKEN`). */
export function namesSecret(name: string): boolean {
  return /pass(word|wd|phrase)|token|secret|cookie|authorization|credential|^(host)?sid$/.test(
    name.toLowerCase().replace(/[^a-z0-9]/g, ''),
  )
}
