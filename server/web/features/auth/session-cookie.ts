/**
 * The cookie that carries a session's token. Written at login and rotation only, and cleared only by an answer
 * that ended the very session it names: a 401 does not clear it. Two tabs share one cookie, and the late 401 of
 * one tab (still asking with the old token) would otherwise delete the new cookie that a login or a password
 * change in the other tab has just received.
 */
import type { AppContext } from '../../../../shared/app/context.ts'
import { problem } from '../../../../shared/app/problem.ts'
import {
  ambiguous,
  cookieCleared,
  cookieWith,
  readCookie as cookieIn,
} from '../../../../shared/sessions/index.ts'

/** The value of the cookie `name`, or null. Throws a 400 when it was sent twice with different values. */
export function readCookie(header: string | undefined, name: string): string | null {
  const value = cookieIn(header, name)
  if (value !== ambiguous) return value
  throw problem(
    'ambiguous-cookie',
    `the cookie ${name} was sent twice with different values: delete this site's cookies and sign in again`,
  )
}

/** @param maxAgeMs how long the browser keeps it; null: until it is closed. */
export function setSessionCookie(ctx: AppContext, token: string, maxAgeMs: number | null): void {
  ctx.append('Set-Cookie', cookieWith(token, maxAgeMs, ctx.state.secure))
}

/** Takes the cookie back from a browser that signed in with it. Does nothing for Bearer requests. */
export function clearSessionCookie(ctx: AppContext): void {
  if (ctx.state.credential === 'cookie') ctx.append('Set-Cookie', cookieCleared(ctx.state.secure))
}
