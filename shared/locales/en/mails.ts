/** Mails. What a person wrote (a name) is cut and in one line by whoever passes it. */
export const mails = {
  hello: (name: string) => `Hello ${name},`,
  passwordReset: {
    subject: 'Set a new password',
    text: (
      link: string,
      minutes: number,
    ) => `somebody asked for a new password for your account, probably you. To set one, open this link:

${link}

It works once and for ${minutes} minutes. Setting a new password signs you out everywhere.

If it was not you, do nothing: your password stays as it is.`,
  },
  signInNotice: {
    subject: 'A new sign-in to your account',
    text: (
      facts: SignInFacts,
      page: string | null,
    ) => `somebody signed in to your account from a device that we do not know:

  when    ${facts.when}
  from    ${facts.ip ?? 'an unknown address'}
  device  ${facts.device ?? 'unknown'}

If it was you, there is nothing to do. If not, change your password${page === null ? '' : ` at ${page}`}: that signs everybody else out.`,
  },
  invitation: {
    subject: 'Your account: set a password',
    text: (link: string, days: number) => `an account was made for you. To set your password, open this link:

${link}

It works once and for ${days} days. If it has ended, ask who invited you for a new one.`,
  },
  verification: {
    subject: 'Confirm your e-mail address',
    text: (link: string, hours: number) => `to confirm that this is your e-mail address, open this link:

${link}

It works once and for ${hours} hours. If you did not ask for it, do nothing.`,
  },
  registration: {
    subject: 'Finish your registration',
    text: (
      link: string,
      days: number,
    ) => `somebody registered with this e-mail address, probably you. To set your password and begin, open this link:

${link}

It works once and for ${days} days. If it was not you, do nothing.`,
  },
  registeredBefore: {
    subject: 'You have an account already',
    text: (
      signIn: string,
      reset: string,
    ) => `somebody registered with this e-mail address, which has an account already. Sign in at

${signIn}

If you forgot your password, set a new one at

${reset}

If it was not you, do nothing.`,
  },
}

export interface SignInFacts {
  readonly when: string
  readonly ip: string | null
  readonly device: string | null
}
