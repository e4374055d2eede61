import type { registration as en } from '../en/registration.ts'

export const registration: typeof en = {
  title: 'Registrieren',
  explained: 'Sie erhalten eine E-Mail mit einem Link, um Ihr Passwort zu setzen.',
  name: 'Name',
  button: 'Registrieren',
  signIn: 'Sie haben ein Konto? Anmelden',
  missing: 'Bitte geben Sie einen Namen und eine E-Mail-Adresse an.',
  sent: 'Eine E-Mail ist zu Ihnen unterwegs. Ihr Link setzt Ihr Passwort.',
}
