import type { signIn as en } from '../en/sign-in.ts'

export const signIn: typeof en = {
  title: 'Anmelden',
  email: 'E-Mail-Adresse',
  name: 'Name',
  password: 'Passwort',
  remember: 'Auf diesem Gerät angemeldet bleiben',
  button: 'Anmelden',
  forgotten: 'Passwort vergessen?',
  missing: 'Bitte geben Sie Ihre E-Mail-Adresse und Ihr Passwort an.',
  nameMissing: 'Bitte geben Sie Ihren Namen und Ihr Passwort an.',
  foreign: 'Bitte melden Sie sich auf dieser Seite an: Das Formular kam von einer anderen Seite.',
  signedOut: 'Sie haben sich abgemeldet.',
  signedInAs: 'Sie sind angemeldet als',
  goOn: 'Weiter zur vorigen Seite',
  reset: {
    title: 'Passwort setzen',
    needsScript: 'Um ein Passwort per E-Mail zu setzen, ist JavaScript nötig.',
    emailOfAccount: 'E-Mail-Adresse Ihres Kontos',
    send: 'Link zusenden',
    newPassword: 'Neues Passwort',
    rules:
      'Mindestens 8 Zeichen; ein paar Wörter, die nur Sie zusammenstellen würden. Alle Ihre Sitzungen enden.',
    button: 'Passwort setzen',
    done: 'Ihr Passwort ist gesetzt. Melden Sie sich damit an.',
    unreachable: 'Der Server war nicht zu erreichen. Bitte versuchen Sie es noch einmal.',
  },
}
