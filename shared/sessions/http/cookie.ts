/** The cookie that carries a session's token, as text: for any server. */

/** Browsers accept `__Host-` only over TLS, without Domain: no sibling host can plant it. */
export function sessionCookieName(secure: boolean, name = 'sid'): string {
  return secure ? `__Host-${name}` : name
}

/** It was sent twice with different values: someone planted one of them, and picking either would be a guess. */
export const ambiguous = Symbol('ambiguous cookie')

/** The value of the cookie `name`, or null. */
export function readCookie(header: string | undefined, name: string): string | null | typeof ambiguous {
  if (header === undefined || !header.includes(name)) return null
  let value: string | null = null
  for (let start = 0, end = 0; start < header.length; start = end + 1) {
    end = header.indexOf(';', start)
    if (end < 0) end = header.length
    const equals = header.indexOf('=', start)
    if (equals < 0 || equals > end || header.slice(start, equals).trim() !== name) continue
    const found = header.slice(equals + 1, end).trim()
    if (value !== null && value !== found) return ambiguous
    value = found
  }
  return value
}

/** `Set-Cookie` with the token. `maxAgeMs` null: until the browser is closed. */
export function cookieWith(token: string, maxAgeMs: number | null, secure: boolean, name?: string): string {
  const age = maxAgeMs === null ? '' : `; Max-Age=${Math.max(0, Math.floor(maxAgeMs / 1_000))}`
  return line(`${token}${age}`, secure, name)
}

/** `Set-Cookie` that takes it back. */
export function cookieCleared(secure: boolean, name?: string): string {
  return line('; Max-Age=0', secure, name)
}

function line(valueAndAge: string, secure: boolean, name?: string): string {
  const attributes = `Path=/; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`
  return `${sessionCookieName(secure, name)}=${valueAndAge}; ${attributes}`
}
