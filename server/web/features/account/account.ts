/** The page of one's own account, and what its forms do. They do what the API does, under its rules. */
import { z } from 'zod'
import type { Profile } from '../../../../shared/accounts/account-subject.ts'
import type { AccountStore } from '../../../../shared/accounts/accounts.ts'
import type { EffectiveAccounts } from '../../../../shared/accounts/effective-account.ts'
import type { Proof } from '../../../../shared/coherence/index.ts'
import { requireIdentity, type AppContext } from '../../../../shared/app/context.ts'
import { definePage } from '../../../../shared/app/page.ts'
import { problem, revocationUnconfirmed, type Problem } from '../../../../shared/app/problem.ts'
import type { Route } from '../../../../shared/app/route.ts'
import { isLocale, textsIn } from '../../../../shared/locales/locales.ts'
import type { Revocation, Sessions } from '../../../../shared/sessions/index.ts'
import { id, givenPassword, label, line, newPassword } from '../../routing/fields.ts'
import type { RecordAuthEvent } from '../auth/auth-events.ts'
import { createVerificationRequest, type VerificationParts } from '../auth/email-verification.ts'
import { createPasswordChange, type PasswordParts } from '../auth/password.ts'
import { sayGoodbye } from '../auth/sessions.ts'
import { defineAction, type Outcome } from '../pages/action.ts'
import { textsOf } from '../pages/locale.ts'
import { leaveNotice } from '../pages/notice.ts'
import { redirect } from '../pages/page.ts'
import { goodbyePath } from '../auth/goodbye.ts'
import { accountPage, accountPaths } from './account-page.ts'
import { describeDevice } from './describe-device.ts'
import { readDevices } from './devices.ts'

export interface AccountParts
  extends Omit<PasswordParts, 'sessions'>, Pick<VerificationParts, 'accountMails' | 'limits'> {
  readonly sessions: Pick<
    Sessions,
    'list' | 'relabel' | 'revokeById' | 'revokeUser' | 'rotateAndRevokeOthers'
  >
  readonly accounts: PasswordParts['accounts'] & Pick<AccountStore, 'update' | 'verifyEmail'>
  readonly effective: Pick<EffectiveAccounts, 'apply'>
  readonly recordAuthEvent: RecordAuthEvent
  /** Whether those who sign in are in our own accounts. */
  readonly ownAccounts: boolean
}

const query = z.strictObject({
  after: z
    .string()
    .regex(/^\d{1,6}$/, 'must be how many devices come before')
    .transform(Number)
    .optional(),
})

const { page } = accountPaths

export function accountRoutes(parts: AccountParts): Route[] {
  const { sessions, ownAccounts, recordAuthEvent } = parts

  async function show(ctx: AppContext, skip: number) {
    const { identity } = requireIdentity(ctx)
    const { user, session } = identity
    const devices = await readDevices(sessions, { userId: user.id, current: session, skip })
    const { name, email, emailVerified: verified } = user.profile as Profile
    const profile = ownAccounts ? { name, email, verified } : null
    return accountPage(ctx, { identity, devices, skip, profile })
  }

  async function end(ctx: AppContext, sessionId: string): Promise<Outcome> {
    const { user, session } = requireIdentity(ctx).identity
    const texts = textsOf(ctx)
    // For what is said afterwards; it is ended whether it is found or not.
    const device = (await sessions.list(user.id, { most: 1_000 })).find(({ id }) => id === sessionId)
    const ended = confirmed(await sessions.revokeById(user.id, sessionId))
    if (ended.outcome === 'revoked') {
      recordAuthEvent(ctx, 'session-ended', { user: user.id, session: sessionId })
    }
    if (sessionId === session.id) return goodbye(ctx, 'here', ended.proof)
    if (ended.outcome === 'gone') return done(texts.account.endedBefore)
    const name = device?.label ?? describeDevice(device?.userAgent ?? null, texts)
    return done(texts.account.ended(name), proofIn(ctx, ended.proof))
  }

  async function endAll(ctx: AppContext, keepCurrent: boolean): Promise<Outcome> {
    const { identity, token } = requireIdentity(ctx)
    const userId = identity.user.id
    const ended = confirmed(await sessions.revokeUser(userId, keepCurrent ? { keep: token } : {}))
    const revoked = ended.outcome === 'revoked' ? ended.count : 0
    recordAuthEvent(ctx, 'logout-all', { user: userId, revoked, keepCurrent })
    if (!keepCurrent) return goodbye(ctx, 'everywhere', ended.proof)
    return done(textsOf(ctx).account.endedOthers(revoked), proofIn(ctx, ended.proof))
  }

  async function rename(ctx: AppContext, name: string | null): Promise<Outcome> {
    const { token } = requireIdentity(ctx)
    if ((await sessions.relabel(token, name)) === 'gone') {
      throw problem('session-gone', 'the session ended meanwhile: nothing was changed')
    }
    return done(textsOf(ctx).account.devices.labelSaved)
  }

  return [
    definePage({
      path: page,
      access: 'signed-in',
      summary: 'The account of the user: devices, profile, password',
      query,
      navigation: {
        label: (locale) => textsIn(isLocale(locale) ? locale : 'en').common.account,
        order: 50,
      },
      handler: (ctx, { query: { after = 0 } }) => show(ctx, after),
    }),
    defineAction({
      path: accountPaths.end,
      back: page,
      access: 'signed-in',
      inMaintenance: 'open',
      summary: 'Sign out one device',
      body: z.strictObject({ id }),
      tell: tellUnconfirmed,
      handler: (ctx, { body }) => end(ctx, body.id),
    }),
    defineAction({
      path: accountPaths.endOthers,
      back: page,
      access: 'signed-in',
      inMaintenance: 'open',
      summary: 'Sign out every other device',
      body: z.strictObject({}),
      tell: tellUnconfirmed,
      handler: (ctx) => endAll(ctx, true),
    }),
    defineAction({
      path: accountPaths.endAll,
      back: page,
      access: 'signed-in',
      inMaintenance: 'open',
      summary: 'Sign out every device, this one too',
      body: z.strictObject({}),
      tell: tellUnconfirmed,
      handler: (ctx) => endAll(ctx, false),
    }),
    defineAction({
      path: accountPaths.label,
      back: page,
      access: 'signed-in',
      summary: 'Name this device',
      body: z.strictObject({ label: z.union([z.string().trim().length(0), label]) }),
      handler: (ctx, { body }) => rename(ctx, body.label || null),
    }),
    ...(ownAccounts ? ownAccountActions(parts) : []),
  ]
}

/** What people change of accounts of ours. */
function ownAccountActions(parts: AccountParts): Route[] {
  const { accounts, effective, recordAuthEvent } = parts
  const changePassword = createPasswordChange(parts)
  const requestVerification = createVerificationRequest(parts)

  async function saveProfile(ctx: AppContext, name: string): Promise<Outcome> {
    const { user } = requireIdentity(ctx).identity
    const account = await accounts.update(user.id, { name })
    if (account === null) throw problem('session-gone', 'the account does not exist any more')
    recordAuthEvent(ctx, 'profile-changed', { user: user.id })
    const applied = await effective.apply(account)
    if (applied.outcome === 'unconfirmed') {
      throw revocationUnconfirmed('the profile is saved, and shows everywhere a little later', applied.cause)
    }
    return done(textsOf(ctx).account.profile.saved)
  }

  async function setPassword(
    ctx: AppContext,
    body: { currentPassword: string; newPassword: string },
  ): Promise<void> {
    const { token, proof } = await changePassword(ctx, body.currentPassword, body.newPassword)
    const text = [textsOf(ctx).account.password.changed, proofIn(ctx, proof)].join(' ').trim()
    leaveNotice(ctx, { kind: 'done', text }, token)
    redirect(ctx, page)
  }

  return [
    defineAction({
      path: accountPaths.profile,
      back: page,
      access: 'signed-in',
      summary: 'Change the profile of the user',
      body: z.strictObject({ name: line(100) }),
      handler: (ctx, { body }) => saveProfile(ctx, body.name),
    }),
    defineAction({
      path: accountPaths.verify,
      back: page,
      access: 'signed-in',
      summary: 'Ask for a mail that confirms the e-mail address',
      body: z.strictObject({}),
      async handler(ctx) {
        await requestVerification(ctx)
        return done(textsOf(ctx).verification.sent)
      },
    }),
    defineAction({
      path: accountPaths.password,
      back: page,
      access: 'signed-in',
      summary: 'Change the password; every other device is signed out',
      body: z.strictObject({ currentPassword: givenPassword, newPassword }),
      tell: tellOfPassword,
      handler: (ctx, { body }) => setPassword(ctx, body),
    }),
  ]
}

/** The outcome of a sign-out that is certain. */
function confirmed(ended: Revocation): Exclude<Revocation, { outcome: 'unconfirmed' }> {
  if (ended.outcome === 'unconfirmed') {
    throw revocationUnconfirmed(
      'it could not be confirmed that the session has ended everywhere',
      ended.cause,
    )
  }
  return ended
}

function done(...texts: string[]): Outcome {
  return { notice: { kind: 'done', text: texts.join(' ').trim() } }
}

function proofIn(ctx: AppContext, proof: Proof | undefined): string {
  return proof === undefined ? '' : textsOf(ctx).account.proof(proof)
}

/** This device is signed out itself: the sign-in page says so. */
function goodbye(ctx: AppContext, where: 'here' | 'everywhere', proof: Proof | undefined): Outcome {
  sayGoodbye(ctx)
  return { to: goodbyePath(where, proof) }
}

function tellUnconfirmed(ctx: AppContext, { type }: Problem): string | undefined {
  return type === 'revocation-unconfirmed' ? textsOf(ctx).account.unconfirmed : undefined
}

function tellOfPassword(ctx: AppContext, fault: Problem): string | undefined {
  const { password } = textsOf(ctx).account
  const errors = (fault.members['errors'] ?? []) as readonly { field: string; message: string }[]
  if (errors.some(({ field }) => field === 'currentPassword')) return password.wrong
  const wanted = errors.find(({ field }) => field === 'newPassword')
  return wanted === undefined ? tellUnconfirmed(ctx, fault) : password.refused(wanted.message)
}
