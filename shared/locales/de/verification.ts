import type { verification as en } from '../en/verification.ts'

export const verification: typeof en = {
  title: 'E-Mail-Adresse bestätigen',
  explained: 'Der Link der E-Mail beweist, dass die Adresse Ihnen gehört.',
  code: 'Was im Link der E-Mail auf „token=“ folgt',
  button: 'Bestätigen',
  done: 'Ihre E-Mail-Adresse ist bestätigt.',
  ended:
    'Dieser Link ist abgelaufen oder schon benutzt. Fordern Sie auf der Seite Ihres Kontos eine neue E-Mail an.',
  sent: 'Eine E-Mail ist zu Ihnen unterwegs. Ihr Link bestätigt Ihre Adresse.',
}
