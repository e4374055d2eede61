import { expect } from 'chai'
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { trackChild } from '../support/children.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { admin, builtMain, shareRedisServer } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { send } from '../support/http.ts'

describe('a log that can not be written', function () {
  this.timeout(90_000)
  const cleanUp = cleanUpAfterEach()

  /** A server with job workers, and where its log goes as its standard output. */
  async function start(stdout: 'pipe' | number) {
    const dataDir = await mkdtemp(path.join(tmpdir(), 'lockstep-log-'))
    cleanUp(() => rm(dataDir, { recursive: true, force: true, maxRetries: 5 }))
    await shareRedisServer(dataDir)
    const port = await freePort()
    const { PATH, HOME } = process.env
    const server: ChildProcess = spawn(process.execPath, [builtMain], {
      env: {
        PATH,
        HOME,
        DATA_DIR: dataDir,
        PORT: String(port),
        WORKERS: '2',
        JOB_WORKERS: '1',
        ADMIN_EMAIL: admin.email,
        ADMIN_PASSWORD: admin.password,
        LOG_LEVEL: 'debug',
        LIMIT_API: 'off',
      },
      stdio: ['ignore', stdout, 'pipe'],
    })
    trackChild(server.pid ?? 0, 'the server of a test')
    server.stderr?.resume()
    const exited = new Promise<number | null>((resolve) => server.once('exit', resolve))
    cleanUp(async () => {
      server.kill('SIGTERM')
      await exited
    })
    const url = `http://127.0.0.1:${port}`
    await eventually(async () => expect((await send(`${url}/readyz`)).status).to.equal(200), 60_000)
    return { server, url, exited }
  }

  /** Every process of it goes on: the workers answer, and a stop ends the primary with exit code 0. */
  async function expectServed({ server, url, exited }: Awaited<ReturnType<typeof start>>) {
    const workers = new Set<string>()
    for (let asked = 0; asked < 300; asked++) {
      const answer = await send(`${url}/api/v1/auth/me?${'x'.repeat(1_000)}`)
      expect(answer.status).to.be.oneOf([401, 422])
      workers.add(String(answer.headers['x-worker']))
    }
    expect([...workers].sort()).to.deep.equal(['web-1', 'web-2'])
    server.kill('SIGTERM')
    expect(await exited).to.equal(0)
  }

  it('does not end the server when the disk is full', async function () {
    // Only Linux has a file that is always full.
    if (!existsSync('/dev/full')) return
    const full = openSync('/dev/full', 'w')
    const server = await start(full)
    closeSync(full)
    await expectServed(server)
  })

  it('does not end the server when who reads it goes away', async () => {
    const started = await start('pipe')
    started.server.stdout?.destroy()
    await expectServed(started)
  })

  it('does not slow the server down when who reads it does not read', async () => {
    const started = await start('pipe')
    const { server, url } = started
    server.stdout?.pause()
    for (let asked = 0; asked < 3_000; asked += 50) {
      const asking = Array.from({ length: 50 }, () => send(`${url}/api/v1/auth/me`, { timeoutMs: 10_000 }))
      for (const answer of await Promise.all(asking)) expect(answer.status).to.equal(401)
    }
    let read = ''
    server.stdout?.resume()
    server.stdout?.setEncoding('utf8').on('data', (text: string) => (read += text))
    await eventually(async () => {
      await send(`${url}/api/v1/auth/me`)
      expect(read).to.match(/"dropped":\d+,"code":"EAGAIN","msg":"log lines were lost"/)
    }, 20_000)
    await expectServed(started)
  })

  it('does not keep the server from stopping while who reads it does not read', async () => {
    const { server, url, exited } = await start('pipe')
    server.stdout?.pause()
    for (let asked = 0; asked < 2_000; asked += 50) {
      await Promise.all(Array.from({ length: 50 }, () => send(`${url}/api/v1/auth/me`)))
    }
    server.kill('SIGTERM')
    expect(await exited).to.equal(0)
  })
})
