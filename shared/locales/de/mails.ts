import type { mails as en } from '../en/mails.ts'

export const mails: typeof en = {
  hello: (name) => `Guten Tag ${name},`,
  passwordReset: {
    subject: 'Ein neues Passwort setzen',
    text: (
      link,
      minutes,
    ) => `jemand hat ein neues Passwort für Ihr Konto angefordert, vermutlich Sie. Um eines zu setzen, öffnen Sie diesen Link:

${link}

Er gilt einmal und ${minutes} Minuten lang. Ein neues Passwort meldet Sie überall ab.

Waren Sie es nicht, tun Sie nichts: Ihr Passwort bleibt, wie es ist.`,
  },
  signInNotice: {
    subject: 'Eine neue Anmeldung in Ihrem Konto',
    text: (facts, page) => `jemand hat sich mit einem Gerät, das wir nicht kennen, in Ihrem Konto angemeldet:

  wann    ${facts.when}
  von     ${facts.ip ?? 'einer unbekannten Adresse'}
  Gerät   ${facts.device ?? 'unbekannt'}

Waren Sie es, ist nichts zu tun. Wenn nicht, ändern Sie Ihr Passwort${page === null ? '' : ` unter ${page}`}: Das meldet alle anderen ab.`,
  },
  invitation: {
    subject: 'Ihr Konto: Setzen Sie ein Passwort',
    text: (
      link,
      days,
    ) => `für Sie wurde ein Konto angelegt. Um Ihr Passwort zu setzen, öffnen Sie diesen Link:

${link}

Er gilt einmal und ${days} Tage lang. Ist er abgelaufen, bitten Sie um eine neue Einladung.`,
  },
  verification: {
    subject: 'Bestätigen Sie Ihre E-Mail-Adresse',
    text: (link, hours) => `um zu bestätigen, dass dies Ihre E-Mail-Adresse ist, öffnen Sie diesen Link:

${link}

Er gilt einmal und ${hours} Stunden lang. Haben Sie ihn nicht angefordert, tun Sie nichts.`,
  },
  registration: {
    subject: 'Schließen Sie Ihre Registrierung ab',
    text: (
      link,
      days,
    ) => `jemand hat sich mit dieser E-Mail-Adresse registriert, vermutlich Sie. Um Ihr Passwort zu setzen und zu beginnen, öffnen Sie diesen Link:

${link}

Er gilt einmal und ${days} Tage lang. Waren Sie es nicht, tun Sie nichts.`,
  },
  registeredBefore: {
    subject: 'Sie haben bereits ein Konto',
    text: (
      signIn,
      reset,
    ) => `jemand hat sich mit dieser E-Mail-Adresse registriert, die bereits ein Konto hat. Melden Sie sich an unter

${signIn}

Haben Sie Ihr Passwort vergessen, setzen Sie ein neues unter

${reset}

Waren Sie es nicht, tun Sie nichts.`,
  },
}
