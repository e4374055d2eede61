import type { signIn as en } from '../en/sign-in.ts'

export const signIn: typeof en = {
  title: 'Anmelden',
  email: 'E-Mail-Adresse',
  name: 'Name',
  password: 'Passwort',
  remember: 'Auf diesem Gerät angemeldet bleiben',
  button: 'Anmelden',
  forgotten: 'Passwort vergessen?',
  register: 'Neu hier? Registrieren',
  missing: 'Bitte geben Sie Ihre E-Mail-Adresse und Ihr Passwort an.',
  nameMissing: 'Bitte geben Sie Ihren Namen und Ihr Passwort an.',
  foreign: 'Bitte melden Sie sich auf dieser Seite an: Das Formular kam von einer anderen Seite.',
  signedOut: 'Sie haben sich abgemeldet.',
  signedInAs: 'Sie sind angemeldet als',
  goOn: 'Weiter zur vorigen Seite',
  reset: {
    title: 'Passwort setzen',
    emailOfAccount: 'E-Mail-Adresse Ihres Kontos',
    send: 'Link zusenden',
    newPassword: 'Neues Passwort',
    rules:
      'Mindestens 8 Zeichen; ein paar Wörter, die nur Sie zusammenstellen würden. Alle Ihre Sitzungen enden.',
    button: 'Passwort setzen',
    done: 'Ihr Passwort ist gesetzt. Melden Sie sich damit an.',
    code: 'Was im Link der E-Mail auf „token=“ folgt',
    sent: 'Wenn es zu dieser Adresse ein Konto gibt, ist eine E-Mail dorthin unterwegs.',
    ended: 'Dieser Link ist abgelaufen oder schon benutzt. Fordern Sie einen neuen an.',
    missing: 'Bitte geben Sie den Code der E-Mail und ein neues Passwort an.',
    refused: (why) => `Das neue Passwort wurde abgelehnt (${why}).`,
  },
  invitation: {
    title: 'Willkommen: Setzen Sie Ihr Passwort',
    explained: 'Für Sie wurde ein Konto angelegt. Setzen Sie ein Passwort und melden Sie sich an.',
  },
}
