import { expect } from 'chai'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { trackChild } from '../support/children.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { command, install, npm, packTarballs, type Consumer } from './support/tarballs.ts'

describe('a new application, installed from the tarball', function () {
  this.timeout(600_000)
  let consumer: Consumer
  let folder: string
  let app: string

  before(async () => {
    const { whole } = await packTarballs()
    consumer = await install(whole)
    folder = await mkdtemp(path.join(tmpdir(), 'lockstep-scaffold-'))
    const lockstep = path.join(consumer.folder, 'node_modules', '.bin', 'lockstep')
    await command(folder, lockstep, 'new', 'corner-shop', '--lockstep', `file:${whole}`)
    app = path.join(folder, 'corner-shop')
    await npm(app, 'install', '--no-audit', '--no-fund', '--prefer-offline')
  })
  after(async () => {
    await consumer?.remove()
    if (folder) await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  })

  it('passes its own test', async () => {
    expect(await npm(app, 'test')).to.match(/pass 4/)
  })

  it('starts at once, serves its page, and stops on a signal', async () => {
    const port = await freePort()
    const { PATH, HOME, TMPDIR } = process.env
    const started = spawn('npm', ['start'], {
      cwd: app,
      env: { PATH, HOME, TMPDIR, PORT: String(port), WORKERS: '2' },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    const { pid = 0 } = started
    trackChild(pid, 'npm start of a new application')
    let printed = ''
    for (const stream of [started.stdout, started.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (printed += text))
    }
    const ended = new Promise<number | null>((resolve) => void started.once('close', resolve))
    try {
      const page = await eventually(async () => {
        expect(started.exitCode, printed).to.equal(null)
        return fetch(`http://127.0.0.1:${port}/hello`).then(async (answer) => answer.text())
      }, 120_000)
      expect(page).to.include('Hello from corner-shop')
      // As Ctrl-C does: to all of them.
      process.kill(-pid, 'SIGINT')
      await ended
      expect(printed).to.include('stopped')
    } finally {
      if (started.exitCode === null && started.signalCode === null) process.kill(-pid, 'SIGKILL')
    }
  })
})
