/**
 * The cookie that carries a session's token. Written at login and rotation only, and cleared only by an answer
 * that ended the very session it names: a 401 does not clear it. Two tabs share one cookie, and the late 401 of
 * one tab (still asking with the old token) would otherwise delete the new cookie that a login or a password
 * change in the other tab has just received.
 */
import type { AppContext } from '../../../../shared/app/context.ts'
import { problem } from '../../../../shared/app/problem.ts'

/** Browsers accept `__Host-` only over TLS, without Domain: no sibling host can plant it. */
export function sessionCookieName(secure: boolean): string {
  return secure ? '__Host-sid' : 'sid'
}

/**
 * The value of the cookie `name`, or null. Throws a 400 when it was sent twice with different values: then
 * somebody planted one of them, and picking either would be a guess.
 */
export function readCookie(header: string | undefined, name: string): string | null {
  if (header === undefined || !header.includes(name)) return null
  let value: string | null = null
  for (let start = 0, end = 0; start < header.length; start = end + 1) {
    end = header.indexOf(';', start)
    if (end < 0) end = header.length
    const equals = header.indexOf('=', start)
    if (equals < 0 || equals > end || header.slice(start, equals).trim() !== name) continue
    const found = header.slice(equals + 1, end).trim()
    if (value !== null && value !== found) {
      throw problem(
        'ambiguous-cookie',
        `the cookie ${name} was sent twice with different values: delete this site's cookies and sign in again`,
      )
    }
    value = found
  }
  return value
}

/** @param maxAgeMs how long the browser keeps it; null: until it is closed. */
export function setSessionCookie(ctx: AppContext, token: string, maxAgeMs: number | null): void {
  const age = maxAgeMs === null ? '' : `; Max-Age=${Math.max(0, Math.floor(maxAgeMs / 1_000))}`
  writeCookie(ctx, `${token}${age}`)
}

/** Takes the cookie back from a browser that signed in with it. Does nothing for Bearer requests. */
export function clearSessionCookie(ctx: AppContext): void {
  if (ctx.state.credential === 'cookie') writeCookie(ctx, '; Max-Age=0')
}

function writeCookie(ctx: AppContext, valueAndAge: string): void {
  const { secure } = ctx.state
  const name = sessionCookieName(secure)
  ctx.append(
    'Set-Cookie',
    `${name}=${valueAndAge}; Path=/; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`,
  )
}
