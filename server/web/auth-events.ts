import type { Logger } from '../../shared/log.ts'
import type { AppContext } from './context.ts'

/** What happened to a sign-in, a session or an account, as those who watch over the system look for it. */
export type AuthEvent =
  | 'login'
  | 'login-failed'
  | 'logout'
  | 'logout-all'
  | 'session-ended'
  | 'password-changed'
  | 'password-change-failed'
  | 'password-reset-requested'
  | 'password-reset'
  | 'account-created'
  | 'account-changed'
  | 'account-sessions-ended'
  | 'settings-changed'
  | 'limit-reset'

export interface AuthFacts {
  /** Whose account or session it is about. */
  readonly user?: string
  /** Public id. */
  readonly session?: string
  readonly [fact: string]: unknown
}

/** Writes one line of the audit trail: who did what from where, and never a secret. */
export type RecordAuthEvent = (ctx: AppContext, event: AuthEvent, facts: AuthFacts) => void

export function createAuthEvents(log: Logger): RecordAuthEvent {
  return function recordAuthEvent(ctx, event, facts) {
    const { requestId, clientIp, identity } = ctx.state
    log.info({ event, by: identity?.user.id ?? null, ip: clientIp, requestId, ...facts }, event)
  }
}
