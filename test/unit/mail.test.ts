import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { Unavailable } from '../../shared/kernel/errors.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { createMailer } from '../../shared/mail/create-mailer.ts'
import { passwordResetMail } from '../../shared/mail/messages.ts'
import { rejectionOf } from '../contracts/accounts.ts'

const from = 'Lockstep <lockstep@localhost>'
const mail = { to: 'ada@example.com', subject: 'Hello', text: 'See http://x.org/#token=s3cr3t\n' }

describe('mails as files', () => {
  let dataDir: string
  let logged: { fields: Record<string, unknown>; message: string }[]
  const log = {
    info: (fields: object, message: string) => void logged.push({ fields: { ...fields }, message }),
  }

  beforeEach(async () => {
    logged = []
    dataDir = await mkdtemp(join(tmpdir(), 'lockstep-mail-'))
  })

  afterEach(() => rm(dataDir, { recursive: true, force: true }))

  it('each mail is a file of its own that only its owner can read', async () => {
    const mailer = createMailer({ url: null, from, dataDir, log })
    await mailer.start()
    await Promise.all([mailer.send(mail), mailer.send({ ...mail, subject: 'Again' })])
    await mailer.stop(deadlineIn(1_000))
    const files = await readdir(join(dataDir, 'mail'))
    expect(files).to.have.lengthOf(2)
    expect((await stat(join(dataDir, 'mail'))).mode & 0o777).to.equal(0o700)
    for (const file of files) {
      expect(file).to.match(/\.eml$/)
      expect((await stat(join(dataDir, 'mail', file))).mode & 0o777).to.equal(0o600)
      const text = await readFile(join(dataDir, 'mail', file), 'utf8')
      expect(text)
        .to.match(/^From: Lockstep <lockstep@localhost>$/m)
        .and.to.match(/^To: ada@example\.com$/m)
      expect(text).to.include('token=s3cr3t')
    }
  })

  it('the log tells whom it was for and where it is, and nothing of its text', async () => {
    await createMailer({ url: null, from, dataDir, log }).send(mail)
    const [file] = await readdir(join(dataDir, 'mail'))
    expect(logged).to.have.lengthOf(1)
    expect(logged[0]!.fields).to.deep.equal({
      to: 'ada@example.com',
      subject: 'Hello',
      file: join(dataDir, 'mail', file!),
    })
    expect(JSON.stringify(logged)).not.to.include('s3cr3t')
  })

  it('a hostile address or subject adds no recipient and no header', async () => {
    const mailer = createMailer({ url: null, from, dataDir, log })
    const hostile = ['a@x.org, b@x.org', 'a@x.org\r\nBcc: b@x.org', 'A <a@x.org>, <b@x.org>']
    for (const to of hostile) await mailer.send({ ...mail, to, subject: 'Hi\r\nBcc: b@x.org' })
    for (const file of await readdir(join(dataDir, 'mail'))) {
      const [headers = ''] = (await readFile(join(dataDir, 'mail', file), 'utf8')).split('\n\n')
      expect(headers).not.to.match(/^bcc:/im)
      expect(headers.match(/^to:/gim)).to.have.lengthOf(1)
    }
  })

  it('a place that can not be written to is unavailable mail', async () => {
    await writeFile(join(dataDir, 'mail'), 'in the way')
    const mailer = createMailer({ url: null, from, dataDir, log })
    expect(await rejectionOf(mailer.send(mail))).to.be.instanceOf(Unavailable)
    expect(logged).to.deep.equal([])
  })
})

describe('mails by SMTP', () => {
  const log = { info: () => {} }
  let server: Server
  let sockets: Set<Socket>

  /** A mail server that answers each command as told; undefined: as a good one. Gives its URL. */
  async function listen(answer: (command: string) => string | null | undefined = () => undefined) {
    const mails: string[] = []
    sockets = new Set()
    server = createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      let text: string | null = null
      const reply = (command: string, usual: string) => {
        const line = answer(command)
        if (line !== null) socket.write(`${line ?? usual}\r\n`)
      }
      reply('CONNECT', '220 test')
      socket.on('data', (chunk) => {
        if (text !== null) {
          text += chunk.toString()
          if (!text.endsWith('\r\n.\r\n')) return
          mails.push(text)
          text = null
          reply('TEXT', '250 taken')
          return
        }
        const command = chunk.toString().trim()
        if (command === 'DATA') text = ''
        reply(command, command === 'DATA' ? '354 go on' : command === 'QUIT' ? '221 bye' : '250 ok')
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return { url: `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`, mails }
  }

  afterEach(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })

  function mailerTo(url: string) {
    return createMailer({ url, from, dataDir: '/nowhere', log, timeoutMs: 200 })
  }

  it('a mail reaches the server', async () => {
    const { url, mails } = await listen()
    const mailer = mailerTo(url)
    await mailer.start()
    await mailer.send(mail)
    await mailer.stop(deadlineIn(1_000))
    expect(mails).to.have.lengthOf(1)
    expect(mails[0]).to.include('To: ada@example.com').and.to.include('token=s3cr3t')
  })

  const faults: Record<string, (command: string) => string | null | undefined> = {
    'that never greets': () => null,
    'that refuses everybody': (command) => (command === 'CONNECT' ? '554 go away' : undefined),
    'that refuses the recipient': (command) => (command.startsWith('RCPT') ? '550 who?' : undefined),
    'that falls silent after the text': (command) => (command === 'TEXT' ? null : undefined),
    'that talks nonsense': () => 'HTTP/1.1 200 OK',
  }

  for (const [fault, answer] of Object.entries(faults)) {
    it(`a server ${fault} is unavailable mail`, async () => {
      const { url } = await listen(answer)
      const failure = await rejectionOf(mailerTo(url).send(mail))
      expect(failure).to.be.instanceOf(Unavailable).and.to.include({ dependency: 'mail' })
    })
  }

  it('a server that is not there is unavailable mail', async () => {
    const { url } = await listen()
    server.close()
    await once(server, 'close')
    expect(await rejectionOf(mailerTo(url).send(mail))).to.be.instanceOf(Unavailable)
  })
})

describe('the mail with a password link', () => {
  const reset = { to: 'ada@example.com', name: 'Ada', link: 'https://x.org/reset#token=abc', minutes: 30 }

  it('greets by name, gives the link on a line of its own and says how long it works', () => {
    const { to, subject, text } = passwordResetMail(reset)
    expect(to).to.equal('ada@example.com')
    expect(subject).to.equal('Set a new password')
    expect(text.split('\n')).to.include('Hello Ada,').and.to.include('https://x.org/reset#token=abc')
    expect(text).to.include('30 minutes')
  })

  it('a name that would be a message of its own stays a name', () => {
    const name = `Ada,\r\n\r\nwin a prize: https://evil.example/${'x'.repeat(500)}\u2028now`
    const { text } = passwordResetMail({ ...reset, name })
    const [greeting = ''] = text.split('\n')
    expect(greeting).to.match(/^Hello Ada, win a prize/)
    expect(greeting.length).to.be.below(100)
    expect(text).not.to.include('https://evil')
  })
})
