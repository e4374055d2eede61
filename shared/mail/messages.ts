import type { Mail } from './mailer.ts'

export interface PasswordReset {
  readonly to: string
  /** Of the person, as the account has it: written by anybody. */
  readonly name: string
  readonly link: string
  /** How long the link works. */
  readonly minutes: number
}

export function passwordResetMail({ to, name, link, minutes }: PasswordReset): Mail {
  return {
    to,
    subject: 'Set a new password',
    text: `Hello ${inOneLine(name)},

somebody asked for a new password for your account, probably you. To set one, open this link:

${link}

It works once and for ${minutes} minutes. Setting a new password signs you out everywhere.

If it was not you, do nothing: your password stays as it is.
`,
  }
}

export interface SignInNotice {
  readonly to: string
  readonly name: string
  /** Milliseconds since 1970. */
  readonly at: number
  readonly ip: string | null
  /** As the client said it: anything. */
  readonly userAgent: string | null
}

export function signInNoticeMail({ to, name, at, ip, userAgent }: SignInNotice): Mail {
  return {
    to,
    subject: 'A new sign-in to your account',
    text: `Hello ${inOneLine(name)},

somebody signed in to your account from a device that we do not know:

  when    ${new Date(at).toUTCString()}
  from    ${ip ?? 'an unknown address'}
  device  ${inOneLine(userAgent ?? 'unknown')}

If it was you, there is nothing to do. If not, change your password: that signs everybody else out.
`,
  }
}

/** A name must not become a message of its own to somebody else's address. */
function inOneLine(name: string): string {
  const words = name.replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ').replaceAll('://', ' ')
  return [...words.trim()].slice(0, 80).join('')
}
