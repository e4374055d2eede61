/**
 * What a page says once, after a form was sent: post, redirect, get. The text goes to the browser in a cookie and comes
 * back with the next page, which shows it and takes the cookie away. It is bound to the session by a code made with its
 * token, so that neither another site of the domain nor an old session can put words into our pages.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import type { AppContext } from '../../../../shared/app/context.ts'
import { readCookie } from '../auth/session-cookie.ts'

export interface Notice {
  /** `done` is told politely, `fault` at once. */
  readonly kind: 'done' | 'fault'
  readonly text: string
}

const noticeSchema = z.strictObject({ kind: z.enum(['done', 'fault']), text: z.string() })
const longestText = 600
const seconds = 60

/** @param token of the session that will ask for the next page, where that is another one by now */
export function leaveNotice(ctx: AppContext, { kind, text }: Notice, token = ctx.state.token): void {
  if (token === null) return
  const value = Buffer.from(JSON.stringify({ kind, text: text.slice(0, longestText) })).toString('base64url')
  writeCookie(ctx, `${value}.${codeOf(value, token)}; Max-Age=${seconds}`)
}

/** The notice that waits for this session, which is told only once; null when there is none. */
export function takeNotice(ctx: AppContext): Notice | null {
  const { token } = ctx.state
  const cookie = cookieOf(ctx)
  if (cookie === null || token === null) return null
  writeCookie(ctx, '; Max-Age=0')
  const [value = '', code = ''] = cookie.split('.')
  const expected = Buffer.from(codeOf(value, token))
  const given = Buffer.from(code)
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null
  try {
    return noticeSchema.parse(JSON.parse(Buffer.from(value, 'base64url').toString()))
  } catch {
    return null
  }
}

function codeOf(value: string, token: string): string {
  return createHmac('sha256', token).update(`notice ${value}`).digest('base64url')
}

function cookieOf(ctx: AppContext): string | null {
  try {
    return readCookie(ctx.req.headers.cookie, nameOf(ctx))
  } catch {
    return null
  }
}

function nameOf({ state: { secure } }: AppContext): string {
  return secure ? '__Host-notice' : 'notice'
}

function writeCookie(ctx: AppContext, valueAndAge: string): void {
  const secure = ctx.state.secure ? '; Secure' : ''
  ctx.append('Set-Cookie', `${nameOf(ctx)}=${valueAndAge}; Path=/; HttpOnly; SameSite=Lax${secure}`)
}
