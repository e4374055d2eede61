import { expect } from 'chai'
import { Redis } from 'ioredis'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { askServer } from '../../server/cli/ask-server.ts'
import { admin, startCluster, type TestCluster } from '../support/cluster.ts'
import { lockstep, type CommandOutcome } from '../support/lockstep-command.ts'

describe('The commands for limits and settings', function () {
  this.timeout(90_000)
  let dataDir: string
  let cluster: TestCluster | undefined

  before(async () => {
    dataDir = await mkdtemp(path.join(tmpdir(), 'lockstep-limits-command-'))
    cluster = await startCluster({ workers: 2, dataDir, env: { LIMIT_LOGIN_ACCOUNT: '4/15m' } })
  })
  after(async () => {
    await cluster?.stop()
    await rm(dataDir, { recursive: true, force: true })
  })

  const run = (...args: string[]): Promise<CommandOutcome> =>
    lockstep({ dataDir, env: { PORT: port(), LIMIT_LOGIN_ACCOUNT: '4/15m' } }, ...args)
  const port = () => (cluster ? new URL(cluster.url).port : '0')

  async function signIn(password: string): Promise<number> {
    const answer = await fetch(`${cluster?.url}/api/v1/auth/login`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ email: admin.email, password, transport: 'token' }),
    })
    return answer.status
  }

  it('show what stands against somebody, and lift it', async () => {
    for (let i = 0; i < 4; i += 1) expect(await signIn('wrong')).to.equal(401)
    expect(await signIn(admin.password)).to.equal(429)
    const shown = await run('limits', 'show', 'login-account', admin.email.toUpperCase(), '--json')
    expect(shown.json()).to.include({ ok: true, policy: 'login-account', limit: 4, charged: 4 })
    expect((await run('limits', 'reset', 'login-account', admin.email)).code).to.equal(0)
    expect(await signIn(admin.password)).to.equal(200)
    const unknown = await run('limits', 'show', 'nonsense', 'x')
    expect([unknown.code, unknown.stderr]).to.deep.equal([1, unknown.stderr])
    expect(unknown.stderr).to.include('there is no limit "nonsense"')
  })

  it('show that Redis has lost what was counted, as the doctor does, and end what is done about it', async () => {
    const { embeddedUrl, keySpace } = await askServer(dataDir, { command: 'redis' })
    const redis = new Redis(embeddedUrl ?? '')
    await redis.del(keySpace ? `{lm.${keySpace}}:sign-in` : '{lm}:sign-in')
    redis.disconnect()
    expect(await signIn('wrong')).to.equal(401)
    const told = await run('limits')
    expect(told.stdout).to.match(/^POLICY +LIMIT +AFTER A LOSS +USABLE\napi +1000\/1m +trust +9\d %\n/)
    expect(told.stdout).to.match(/login-account +4\/15m/)
    expect(told.stdout).to.match(
      /sign-in: Redis has lost what was counted once, which matters for \d+ s more/,
    )
    expect((await run('doctor')).stdout).to.match(/warn +sign-in .*limits trust/)
    expect((await run('limits', 'trust')).stdout).to.include('configured')
    expect((await run('limits')).stdout).to.include('sign-in: nothing was lost that matters')
    expect((await run('doctor')).stdout).to.match(/ ok +sign-in /)
  })

  it('change settings on every worker of a server that runs, and ask twice for what locks people out', async () => {
    const refused = await run('settings', 'set', 'limits.api', '1/7d')
    expect(refused.code).to.equal(1)
    expect(refused.stderr).to.include('--confirm yes')
    expect((await run('settings', 'set', 'limits.api', '1/7d', '--confirm', 'yes')).code).to.equal(0)
    const statuses: number[] = []
    for (let i = 0; i < 4; i += 1) statuses.push((await fetch(`${cluster?.url}/openapi.json`)).status)
    expect(statuses).to.include(429)
    expect(await signIn(admin.password), 'never out of reach').to.equal(200)
    const memory = await run('settings', 'set', 'cacheMode', 'memory')
    expect([memory.code, /here are 2/.test(memory.stderr)]).to.deep.equal([1, true])
    const wrong = await run('settings', 'set', 'limits.api', 'often')
    expect([wrong.code, /limits.api: must be a count/.test(wrong.stderr)]).to.deep.equal([2, true])
    expect((await run('settings', 'reset', 'limits.api', '--json')).json().overridden).to.deep.equal([])
  })

  it('change settings without a server that runs', async () => {
    await cluster?.stop()
    cluster = undefined
    const set = await run('settings', 'set', 'maintenance', 'on', '--json')
    expect(set.json()).to.deep.include({ ok: true, overridden: ['maintenance'] })
    expect((await run('settings', 'show')).stdout).to.match(/maintenance +true +changed here/)

    cluster = await startCluster({ workers: 1, dataDir, env: { LIMIT_LOGIN_ACCOUNT: '4/15m' } })
    const ask = () =>
      fetch(`${cluster?.url}/api/v1/auth/password-reset/request`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ email: 'nobody@example.com' }),
      })
    expect((await ask()).status).to.equal(503)
    expect((await run('settings', 'reset')).code).to.equal(0)
    expect((await ask()).status).to.equal(202)
  })
})
