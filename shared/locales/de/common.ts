import type { common as en } from '../en/common.ts'

export const common: typeof en = {
  skip: 'Zum Inhalt springen',
  navigation: 'Hauptnavigation',
  start: 'Start',
  account: 'Ihr Konto',
  signIn: 'Anmelden',
  signOut: 'Abmelden',
  signedInAs: (name) => `Angemeldet als ${name}`,
  cancel: 'Abbrechen',
  save: 'Speichern',
  sure: 'Sind Sie sicher?',
  pages: 'Seiten',
  firstPage: 'Erste Seite',
  nextPage: 'Nächste Seite',
  empty: 'Hier ist nichts.',
  request: (id) => `Anfrage ${id}`,
  sessionEnded: 'Sie wurden abgemeldet.',
  accessLost: 'Sie dürfen diese Seite nicht mehr sehen.',
  expired:
    'Sie waren inzwischen abgemeldet. Nichts wurde geändert: Bitte melden Sie sich an und versuchen Sie es erneut.',
}
