import type { Logger } from '../../../../shared/telemetry/log.ts'
import type { Queues } from '../../../../shared/queues/queues.ts'
import type { Locale } from '../../../../shared/locales/locales.ts'
import { signInNotice } from '../../../jobs.ts'
import type { Identity, Sessions } from '../../../../shared/sessions/index.ts'

/** A device that was not used for so many sessions is as good as new, and a sign-in must not read thousands. */
const mostLooked = 100

/** Has the user told of this sign-in if it is from a new device. Never delays or fails the sign-in. */
export type NoticeSignIn = (identity: Identity, locale?: Locale) => void

/**
 * A device is new when the user has other sessions and none of them is from the same user agent. Somebody's first
 * session is no news: there is no one else who could be surprised.
 */
export function signInNotices(parts: {
  readonly sessions: Pick<Sessions, 'list'>
  readonly queues: Pick<Queues, 'enqueue'>
  readonly log: Logger
}): NoticeSignIn {
  const { sessions, queues, log } = parts

  async function notice({ user, session }: Identity, locale: Locale | undefined): Promise<void> {
    const others = (await sessions.list(user.id, { most: mostLooked })).filter(({ id }) => id !== session.id)
    if (others.length === 0 || others.some(({ userAgent }) => userAgent === session.userAgent)) return
    const { createdAt: at, ip, userAgent } = session
    const payload = { accountId: user.id, at, ip, userAgent, ...(locale ? { locale } : {}) }
    await queues.enqueue(signInNotice, payload, { dedupeKey: session.id })
  }

  return function noticeSignIn(identity, locale) {
    notice(identity, locale).catch((err: unknown) =>
      log.warn({ err }, 'the notice of a sign-in from a new device could not be sent'),
    )
  }
}
