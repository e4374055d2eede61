import type { account as en } from '../en/account.ts'

export const account: typeof en = {
  title: 'Ihr Konto',
  devices: {
    title: 'Ihre Geräte',
    explained:
      'Jedes dieser Geräte ist in Ihrem Konto angemeldet. Eines, das Sie nicht kennen: Melden Sie es ab und ändern Sie Ihr Passwort.',
    device: 'Gerät',
    place: 'Adresse',
    signedIn: 'Angemeldet',
    lastSeen: 'Zuletzt gesehen',
    action: 'Aktion',
    current: 'dieses Gerät',
    on: (browser, system) => `${browser} unter ${system}`,
    unknown: 'Unbekanntes Gerät',
    unknownPlace: 'unbekannt',
    none: 'Auf dieser Seite sind keine anderen Geräte.',
    signOut: 'Abmelden',
    signOutOf: (device) => `${device} abmelden`,
    label: 'Name dieses Geräts',
    labelHint: 'Zum Beispiel „Arbeitslaptop“. Leer entfernt ihn.',
    labelSaved: 'Der Name dieses Geräts ist gespeichert.',
    others: 'Überall sonst abmelden',
    everywhere: 'Überall abmelden',
  },
  ended: (device) => `${device} ist abgemeldet.`,
  endedBefore: 'Dieses Gerät war schon abgemeldet.',
  endedOthers: (count) =>
    count === 0
      ? 'Kein anderes Gerät war angemeldet.'
      : count === 1
        ? 'Ein anderes Gerät ist abgemeldet.'
        : `${count} andere Geräte sind abgemeldet.`,
  endedAll: 'Sie sind überall abgemeldet.',
  proof: ({ members, silent, ms }) => {
    const time = `in ${Math.max(1, Math.round(ms))} ms`
    if (silent === 0) {
      return members === 1
        ? `Der Worker hat es ${time} bestätigt.`
        : `Alle ${members} Worker haben es ${time} bestätigt.`
    }
    const missing =
      silent === 1
        ? 'Einer antwortet nicht und darf keine Sitzung annehmen, bis er auf dem neuen Stand ist.'
        : `${silent} antworten nicht und dürfen keine Sitzung annehmen, bis sie auf dem neuen Stand sind.`
    return `${members - silent} von ${members} Workern haben es ${time} bestätigt. ${missing}`
  },
  unconfirmed: 'Noch nicht bestätigt: Nicht jeder Worker hat geantwortet. Versuchen Sie es noch einmal.',
  profile: {
    title: 'Profil',
    name: 'Name',
    email: 'E-Mail-Adresse',
    roles: 'Rollen',
    button: 'Speichern',
    saved: 'Ihr Profil ist gespeichert.',
    verified: 'bestätigt',
    unverified: 'nicht bestätigt',
    verify: 'E-Mail zur Bestätigung senden',
  },
  password: {
    title: 'Passwort',
    current: 'Jetziges Passwort',
    wanted: 'Neues Passwort',
    rules:
      'Mindestens 8 Zeichen; ein paar Wörter, die nur Sie zusammenstellen würden. Alle Ihre anderen Geräte werden abgemeldet.',
    button: 'Passwort ändern',
    changed: 'Ihr Passwort ist geändert, und Ihre anderen Geräte sind abgemeldet.',
    wrong: 'Das ist nicht Ihr jetziges Passwort. Nichts wurde geändert.',
    refused: (why) => `Das neue Passwort wurde abgelehnt (${why}). Nichts wurde geändert.`,
  },
}
