import type { Logger } from '../../../../shared/telemetry/log.ts'
import type { AuditWriter } from '../audit/audit-writer.ts'
import type { SignEvent } from '../../../../shared/app/feature.ts'
import type { AppContext } from '../../../../shared/app/context.ts'

/** What happened to a sign-in, a session or an account, as those who watch over the system look for it. */
export type AuthEvent =
  | 'login'
  | 'login-failed'
  | 'logout'
  | 'logout-all'
  | 'session-ended'
  | 'password-changed'
  | 'profile-changed'
  | 'password-change-failed'
  | 'password-reset-requested'
  | 'password-reset'
  | 'verification-requested'
  | 'email-verified'
  | 'registration-requested'
  | 'account-created'
  | 'account-changed'
  | 'account-sessions-ended'
  | 'password-link-sent'
  | 'audit-exported'
  | 'settings-changed'
  | 'queue-action'
  | 'workers-scaled'
  | 'workers-reloaded'
  | 'worker-drained'
  | 'limit-reset'

export interface AuthFacts {
  /** Whose account or session it is about. */
  readonly user?: string
  /** Public id. */
  readonly session?: string
  /** What it is about, when that is no account. */
  readonly subject?: string
  readonly [fact: string]: unknown
}

/** Notes who did what from where, in the log and in the audit trail, and never a secret. */
export type RecordAuthEvent = (ctx: AppContext, event: AuthEvent, facts: AuthFacts) => void

/** By these the request proves whose account it is, although it began without a session. */
const proofs: ReadonlySet<AuthEvent> = new Set(['login', 'logout', 'password-reset', 'email-verified'])

/** By these events sessions began or ended, for the hooks of the application. */
const signings: Partial<Record<AuthEvent, 'signedIn' | 'signedOut'>> = {
  login: 'signedIn',
  logout: 'signedOut',
  'logout-all': 'signedOut',
  'session-ended': 'signedOut',
  'account-sessions-ended': 'signedOut',
  'password-reset': 'signedOut',
}
/** These end one session, the others all of the user. */
const ofOneSession: ReadonlySet<AuthEvent> = new Set(['login', 'logout', 'session-ended'])

export function createAuthEvents(parts: {
  log: Logger
  audit: Pick<AuditWriter, 'record'>
  /** Called when a user has signed in or out. */
  signed?: (hook: 'signedIn' | 'signedOut', event: SignEvent) => void
}): RecordAuthEvent {
  const { log, audit, signed = () => {} } = parts

  return function recordAuthEvent(ctx, event, facts) {
    const { requestId, clientIp: ip, identity } = ctx.state
    const { user = null, session = identity?.session.id ?? null, subject = user, ...details } = facts
    const actor = identity?.user.id ?? (proofs.has(event) ? user : null)
    log.info({ event, by: actor, ip, requestId, ...facts }, event)
    audit.record({ at: Date.now(), actor, action: event, subject, session, ip, requestId, details })
    const hook = signings[event]
    if (hook === undefined || user === null) return
    signed(hook, { userId: user, sessionId: ofOneSession.has(event) ? session : null, ip, requestId })
  }
}
