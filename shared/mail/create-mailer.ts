import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createTransport } from 'nodemailer'
import { Unavailable } from '../kernel/errors.ts'
import type { Mail, Mailer } from './mailer.ts'

export interface MailerOptions {
  /** smtp:// or smtps:// address of the mail server; null: mails become files, for development. */
  readonly url: string | null
  readonly from: string
  /** Where the directory `mail` is made for those files. */
  readonly dataDir: string
  readonly log: MailLog
  /** How long sending one mail may take. */
  readonly timeoutMs?: number
}

/** The part of a logger that is used here. */
export interface MailLog {
  info(fields: object, message: string): void
}

export function createMailer(options: MailerOptions): Mailer {
  return options.url === null ? createFileMailer(options) : createSmtpMailer(options.url, options)
}

/** Does not ask for the server at the start: mail may be away while everything else works. */
function createSmtpMailer(url: string, { from, timeoutMs = 10_000 }: MailerOptions): Mailer {
  const transport = createTransport({
    url,
    dnsTimeout: timeoutMs,
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    socketCloseTimeout: 0,
    disableFileAccess: true,
    disableUrlAccess: true,
  })

  return {
    async start() {},
    async stop() {
      transport.close()
    },
    async send(mail) {
      // Each step has a limit above; this one is for all of them, against a server that dawdles.
      const signal = AbortSignal.timeout(timeoutMs)
      await transport.sendMail({ ...messageOf(mail, from), signal }).catch(unavailable)
    },
  }
}

/** Each mail becomes a file that a mail program opens. Only the file holds the text, since a link in it is a key. */
function createFileMailer({ from, dataDir, log }: MailerOptions): Mailer {
  const directory = join(dataDir, 'mail')
  const composer = createTransport({ streamTransport: true, buffer: true, newline: 'unix' })

  async function write(mail: Mail): Promise<void> {
    const { message } = await composer.sendMail(messageOf(mail, from))
    const moment = new Date().toISOString().replaceAll(':', '-')
    const file = join(directory, `${moment}-${randomBytes(4).toString('hex')}.eml`)
    await mkdir(directory, { recursive: true, mode: 0o700 })
    await writeFile(file, message, { mode: 0o600, flag: 'wx' })
    log.info({ to: mail.to, subject: mail.subject, file }, 'a mail was written to a file, not sent')
  }

  return {
    async start() {},
    async stop() {},
    send: (mail) => write(mail).catch(unavailable),
  }
}

function messageOf({ to, subject, text }: Mail, from: string) {
  // As an object the address is one recipient, whatever commas and brackets it holds.
  return { from, to: { name: '', address: to }, subject, text }
}

function unavailable(cause: unknown): never {
  throw new Unavailable('mail', { cause, retryAfterSeconds: 10 })
}
