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

/** A name must not become a message of its own to somebody else's address. */
function inOneLine(name: string): string {
  const words = name.replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ').replaceAll('://', ' ')
  return [...words.trim()].slice(0, 80).join('')
}
