import type { Mail, Mailer } from './mailer.ts'

/**
 * Sends mail as a job: `send` resolves when the job was taken, so a request never waits for a mail server, and a
 * mail server that is away loses no mail.
 */
export function createQueuedMailer(enqueue: (mail: Mail) => Promise<unknown>): Mailer {
  return {
    async start() {},
    async stop() {},
    async send(mail) {
      await enqueue(mail)
    },
  }
}
