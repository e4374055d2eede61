import type { problems as en, ToldProblem } from '../en/problems.ts'

type Told = readonly [title: string, text: string]

const again = 'Bitte versuchen Sie es später noch einmal.'

/** By type. What is not here is an application's own, and said in its own words. */
const known: Readonly<Record<string, Told>> = {
  'malformed-request': ['Fehlerhafte Anfrage', 'Die Anfrage war nicht zu verstehen.'],
  'malformed-body': ['Fehlerhafte Anfrage', 'Was gesendet wurde, war nicht zu verstehen.'],
  'ambiguous-cookie': [
    'Mehrdeutige Anmeldung',
    'Löschen Sie die Cookies dieser Seite und melden Sie sich neu an.',
  ],
  'duplicate-parameter': ['Doppelter Parameter', 'Ein Parameter der Adresse kommt zweimal vor.'],
  unauthenticated: ['Nicht angemeldet', 'Bitte melden Sie sich an.'],
  'invalid-credentials': ['Anmeldung fehlgeschlagen', 'Die E-Mail-Adresse oder das Passwort ist falsch.'],
  'session-gone': ['Sitzung beendet', 'Ihre Sitzung ist beendet. Bitte melden Sie sich neu an.'],
  forbidden: ['Nicht erlaubt', 'Dafür fehlt Ihnen die Berechtigung.'],
  csrf: ['Fremde Anfrage abgelehnt', 'Das Formular kam von einer anderen Seite.'],
  'not-found': ['Nicht gefunden', 'Unter dieser Adresse ist nichts.'],
  'method-not-allowed': ['So nicht möglich', 'Diese Adresse nimmt solche Anfragen nicht an.'],
  conflict: ['Konflikt', 'Das passt nicht mehr zum jetzigen Stand. Bitte laden Sie die Seite neu.'],
  'email-taken': ['Adresse vergeben', 'Diese E-Mail-Adresse hat bereits ein Konto.'],
  'last-administrator': [
    'Letzter Administrator',
    'Dies ist der letzte Administrator: Ernennen Sie zuerst einen anderen.',
  ],
  'body-too-large': ['Zu groß', 'Was gesendet wurde, ist zu groß.'],
  'session-data-too-large': ['Zu groß', 'Die Daten der Sitzung sind zu groß.'],
  'unsupported-media-type': ['Falsches Format', 'Dieses Format wird nicht angenommen.'],
  'invalid-fields': ['Ungültige Angaben', 'Bitte prüfen Sie Ihre Angaben.'],
  'invalid-token': ['Ungültiger Link', 'Der Link ist abgelaufen, schon benutzt oder unvollständig.'],
  'quota-exceeded': ['Zu viele Anfragen', 'Das waren zu viele Versuche.'],
  'internal-error': ['Fehler', 'Bei uns ist etwas schiefgegangen.'],
  unavailable: ['Vorübergehend nicht verfügbar', `Das ist im Augenblick nicht möglich. ${again}`],
  maintenance: ['Wartung', `Der Server wird gerade gewartet. ${again}`],
  'not-ready': ['Noch nicht bereit', `Der Server ist noch nicht bereit. ${again}`],
  'revocation-unconfirmed': [
    'Nicht bestätigt',
    'Es ließ sich nicht bestätigen, dass die Sitzung überall beendet ist. Bitte versuchen Sie es noch einmal.',
  ],
  'login-superseded': [
    'Anmeldung überholt',
    'Die Sitzungen dieses Kontos wurden inzwischen beendet. Bitte melden Sie sich neu an.',
  ],
}

export const problems: typeof en = {
  told: (problem) => {
    const [title, text] = known[problem.type] ?? [problem.title, sentence(problem)]
    const seconds = problem.status === 429 ? problem.headers['Retry-After'] : undefined
    return { title, text: seconds === undefined ? text : `${text} Wieder möglich in ${seconds} s.` }
  },
}

function sentence({ message }: ToldProblem): string {
  return `${message.charAt(0).toUpperCase()}${message.slice(1)}.`
}
