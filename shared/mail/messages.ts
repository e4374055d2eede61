/** The mails that we send, in the language that was asked for when they were. */
import { textsIn, type Locale } from '../locales/locales.ts'
import type { Mail } from './mailer.ts'

export interface Recipient {
  readonly to: string
  /** Of the person, as the account has it: written by anybody. */
  readonly name: string
  /** English when left out. */
  readonly locale?: Locale | undefined
}

export interface PasswordReset extends Recipient {
  readonly link: string
  /** How long the link works. */
  readonly minutes: number
}

export function passwordResetMail({ link, minutes, ...recipient }: PasswordReset): Mail {
  const { passwordReset } = mailsFor(recipient)
  return mailTo(recipient, passwordReset.subject, passwordReset.text(link, minutes))
}

export interface SignInNotice extends Recipient {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly ip: string | null
  /** As the client said it: anything. */
  readonly userAgent: string | null
  /** Where the password can be changed, when that is known. */
  readonly page?: string
}

export function signInNoticeMail({ at, ip, userAgent, page, ...recipient }: SignInNotice): Mail {
  const { signInNotice } = mailsFor(recipient)
  const device = userAgent === null ? null : inOneLine(userAgent)
  const facts = { when: new Date(at).toUTCString(), ip, device }
  return mailTo(recipient, signInNotice.subject, signInNotice.text(facts, page ?? null))
}

export interface MailWithLink extends Recipient {
  readonly link: string
}

export function invitationMail({ link, days, ...recipient }: MailWithLink & { days: number }): Mail {
  const { invitation } = mailsFor(recipient)
  return mailTo(recipient, invitation.subject, invitation.text(link, days))
}

export function registrationMail({ link, days, ...recipient }: MailWithLink & { days: number }): Mail {
  const { registration } = mailsFor(recipient)
  return mailTo(recipient, registration.subject, registration.text(link, days))
}

export function registeredBeforeMail(facts: Recipient & { signIn: string; reset: string }): Mail {
  const { registeredBefore } = mailsFor(facts)
  return mailTo(facts, registeredBefore.subject, registeredBefore.text(facts.signIn, facts.reset))
}

export function verificationMail({ link, hours, ...recipient }: MailWithLink & { hours: number }): Mail {
  const { verification } = mailsFor(recipient)
  return mailTo(recipient, verification.subject, verification.text(link, hours))
}

function mailsFor({ locale = 'en' }: Recipient) {
  return textsIn(locale).mails
}

function mailTo(recipient: Recipient, subject: string, text: string): Mail {
  const hello = mailsFor(recipient).hello(inOneLine(recipient.name))
  return { to: recipient.to, subject, text: `${hello}\n\n${text}\n` }
}

/** A name must not become a message of its own to another's address. */
function inOneLine(name: string): string {
  const words = name.replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ').replaceAll('://', ' ')
  return [...words.trim()].slice(0, 80).join('')
}
