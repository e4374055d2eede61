/**
 * Last in the order of the files: it looks at what every server of this run has printed. Before that it makes some
 * logs itself, at the finest level and with secrets in all the places where a client may put them, so that it means
 * something when it runs alone.
 */
import { expect } from 'chai'
import { Redis } from 'ioredis'
import { startCluster, withoutLimits, type TestCluster } from './support/cluster.ts'
import { startCollector, type Collector } from './support/collector.ts'
import { eventually } from './support/eventually.ts'
import { send, sendAs, signIn } from './support/http.ts'
import { resetTokenFor } from './support/mailbox.ts'
import { startRedis, type TestRedis } from './support/redis.ts'
import { recordSecret, recordsOfRun } from './support/run-records.ts'
import { createUsers } from './support/users.ts'

/** The secrets that the text gives away, as they are or as a URL or JSON would write them. */
function leaksIn(text: string, secrets: readonly string[]): string[] {
  return secrets.filter((secret) =>
    [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)].some((form) =>
      text.includes(form),
    ),
  )
}

/** A generated password is told once, to the person at the terminal, past the log. */
function withoutAnnouncement(output: string): string {
  return output.replace(/^ {4}password {2}\S+$/gm, '')
}

describe('secrets', function () {
  this.timeout(30_000)
  const redisPassword = 'the-word-that-opens-redis'
  let redis: TestRedis
  let cluster: TestCluster
  let collector: Collector
  /** Every command that Redis was sent, by servers of this file, with its arguments. */
  let commands = ''

  before(async () => {
    redis = await startRedis({ config: { requirepass: redisPassword } })
    const redisUrl = redis.url.replace('//', `//:${redisPassword}@`)
    recordSecret(redisPassword)
    const operator = new Redis(redisUrl)
    const monitor = await operator.monitor()
    monitor.on('monitor', (_time: string, args: readonly string[]) => (commands += `${args.join(' ')}\n`))
    try {
      collector = await startCollector()
      cluster = await startCluster({
        redisUrl,
        jobWorkers: 1,
        env: {
          ...withoutLimits,
          LOG_LEVEL: 'trace',
          OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
          OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
          OTEL_BSP_SCHEDULE_DELAY: '100',
        },
      })
      await useEverySecret()
    } finally {
      for (const connection of [monitor, operator]) connection.disconnect()
    }
  })
  after(async () => {
    redis?.thaw()
    await cluster?.stop()
    await redis?.kill('SIGKILL')
    await redis?.stop()
    await collector?.stop()
  })

  async function useEverySecret(): Promise<void> {
    const users = await createUsers(cluster)
    const { credentials, id } = await users.register()
    const { email } = credentials
    const [byCookie, byToken] = [
      await signIn(cluster.url, { ...credentials, remember: true }),
      await signIn(cluster.url, { ...credentials, transport: 'token' }),
    ]
    const post = (route: string, body: object) => send(`${cluster.url}${route}`, { method: 'POST', body })
    // Wrong passwords are often right ones, of something else.
    await post('/api/v1/auth/login', { email, password: 'the-password-of-my-bank' })
    await post('/api/v1/auth/login', { email: credentials.password, password: 'x' })
    await post('/api/v1/auth/login', { email, password: credentials.password, passwrd: credentials.password })
    await users.administrator.send(`/api/v1/admin/users/${id}`, { method: 'PATCH', body: { tier: 'gold' } })
    await byToken.send('/api/v1/session', { method: 'PATCH', body: { a: 1 } })
    await byToken.send(`/api/v1/auth/me?token=${byToken.token}&sid=${byCookie.token}`)
    await send(`${cluster.url}/${byToken.token}`)
    await sendAs(cluster.url, '/api/v1/auth/me', byCookie, {
      headers: { cookie: `sid=${byCookie.token}; sid=x` },
    })
    await sendAs(cluster.url, '/api/v1/auth/me', { token: `${byToken.token}x`, bearer: true })
    const changed = await byCookie.send('/api/v1/auth/password', {
      method: 'PUT',
      body: { currentPassword: credentials.password, newPassword: 'four cups of strong tea' },
    })
    expect(changed.status).to.equal(204)
    await post('/api/v1/auth/password-reset/request', { email })
    const token = await eventually(() => resetTokenFor(email, cluster))
    const reset = await post('/api/v1/auth/password-reset/confirm', {
      token,
      newPassword: 'five cups of tea',
    })
    expect(reset.status).to.equal(204)

    const last = await signIn(cluster.url, { email, password: 'five cups of tea' })
    redis.freeze()
    const write = await last.send('/api/v1/session', { method: 'PATCH', body: { a: 1 } })
    expect(write.status).to.equal(503)
    redis.thaw()
    await eventually(async () => {
      expect((await last.send('/api/v1/auth/logout', { method: 'POST' })).status).to.equal(204)
    }, 15_000)
  }

  it('never appear in the logs of the whole suite', () => {
    const { output, secrets } = recordsOfRun()
    expect(secrets.length).to.be.greaterThan(10)
    expect(output).to.contain('"msg":"login"').and.contain('"msg":"request could not be served"')
    expect(leaksIn(withoutAnnouncement(output), secrets)).to.deep.equal([])
  })

  it('never reach Redis: it only sees the SHA-256 of a token', () => {
    const { secrets } = recordsOfRun()
    const unknownToRedis = secrets.filter((secret) => secret !== redisPassword)
    expect(commands).to.match(/\{sx\.[a-z0-9]+\}:s:/)
    expect(leaksIn(commands, unknownToRedis)).to.deep.equal([])
  })

  it('never leave with the traces of requests, commands, queries and jobs', async () => {
    const names = ['PUT /api/v1/auth/password', 'EVALSHA create', 'update accounts', 'process password-reset']
    await eventually(() => expect(collector.spans().map(({ name }) => name)).to.include.members(names))
    const delivered = collector.deliveries.map(({ body }) => body).join('\n')
    expect(leaksIn(delivered, recordsOfRun().secrets)).to.deep.equal([])
  })

  it('would be found if they did', () => {
    const { output, secrets } = recordsOfRun()
    // Some secrets hold others, such as a token with something behind it.
    const alone = secrets.filter((one) => !secrets.some((other) => other !== one && one.includes(other)))
    for (const planted of [alone[0] ?? '', alone.at(-1) ?? '']) {
      const line = JSON.stringify({ msg: 'request', cookie: `sid=${planted}` })
      // One secret may be the beginning of another.
      const within = secrets.filter((secret) => planted.includes(secret))
      expect(leaksIn(`${withoutAnnouncement(output)}${line}\n`, secrets))
        .to.include(planted)
        .and.to.have.members(within)
    }
    expect(leaksIn('GET /?password=half%20a%20%22word%22', ['half a "word"'])).to.have.length(1)
    expect(leaksIn('{"body":"half a \\"word\\""}', ['half a "word"'])).to.have.length(1)
  })
})
