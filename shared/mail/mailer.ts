import type { Service } from '../kernel/lifecycle.ts'

export interface Mail {
  readonly to: string
  readonly subject: string
  readonly text: string
}

/** Sends mail. `send` resolves when the transport has taken the mail over, and throws `Unavailable` otherwise. */
export interface Mailer extends Service {
  send(mail: Mail): Promise<void>
}
