/** Processes of two releases in one domain, as they are during a rolling upgrade; and of two protocols, which is refused. */
import { expect } from 'chai'
import { readFileSync } from 'node:fs'
import { protocolVersion } from '../../shared/coherence/constants.ts'
import { deadlineIn, group } from '../../shared/kernel/lifecycle.ts'
import * as lastProtocol from '../fixtures/releases/protocol-2/release.js'
import * as before from '../fixtures/releases/protocol-3/release.js'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { rejection } from '../support/rejection.ts'
import { alice, signIn, startSessionWorker, type TestWorker } from '../support/sessions.ts'

/** A worker of an older release. */
async function startOlder(release: typeof before, url: string): Promise<TestWorker> {
  const target = { kind: 'single', url } as const
  const redis = release.openRedis(target, 'commands')
  const subscriber = release.openRedis(target, 'subscriber')
  const coherence = release.openCoherence({ redis, subscriber, durability: 'keep', leaseMs: 1_000 })
  const sessions = release.createSessions({
    redis,
    coherence,
    cache: 'coherent',
    idleMs: 60_000,
    absoluteMs: 600_000,
    rememberAbsoluteMs: 3_600_000,
    maxPerUser: 20,
  })
  const service = group([release.redisService(redis), release.redisService(subscriber), coherence, sessions])
  await service.start()
  return { sessions, coherence, stop: () => service.stop(deadlineIn(2_000)) }
}

describe('a rolling upgrade', function () {
  this.timeout(60_000)
  const cleanUp = cleanUpAfterEach()
  let redis: TestRedis

  beforeEach(async () => {
    redis = await startRedis()
    cleanUp(() => redis.stop())
  })

  const releases = { before, lastProtocol }

  async function start(release: keyof typeof releases | 'today'): Promise<TestWorker> {
    const worker = await (release === 'today'
      ? startSessionWorker(redis.url)
      : startOlder(releases[release], redis.url))
    cleanUp(() => worker.stop())
    return worker
  }

  /** Each knows the session from its memory, before it is ended. */
  async function expectKnown(token: string, ...workers: readonly TestWorker[]): Promise<void> {
    for (const { sessions } of workers) {
      await eventually(async () => {
        expect(await sessions.authenticate(token)).to.have.nested.property('user.id', alice.id)
        expect(sessions.authenticate(token)).to.not.be.instanceOf(Promise)
      })
    }
  }

  it('shares sessions, their data and their end between the two releases', async () => {
    const [old, fresh] = [await start('before'), await start('today')]
    for (const [one, other] of [
      [old, fresh],
      [fresh, old],
    ] as const) {
      const { token } = await signIn(one)
      await expectKnown(token, one, other)
      expect(await one.sessions.saveData(token, { cart: 1 })).to.equal('saved')
      expect(await other.sessions.saveData(token, { seen: 2 })).to.equal('saved')
      expect((await one.sessions.loadData(token))?.data).to.deep.equal({ cart: 1, seen: 2 })
      expect((await other.sessions.revoke(token)).outcome).to.equal('revoked')
      // At once: the revocation was acknowledged by the other release.
      expect(await one.sessions.authenticate(token)).to.equal(null)
    }
    const { token } = await signIn(old)
    await expectKnown(token, old, fresh)
    expect(await fresh.sessions.revokeUser(alice.id)).to.have.property('outcome', 'revoked')
    expect(await old.sessions.authenticate(token)).to.equal(null)
  })

  it('replaces the workers one by one, and no logout is unconfirmed or untrue meanwhile', async () => {
    const workers = [await start('before'), await start('before'), await start('before')]
    const kept = (await signIn(workers[0] as TestWorker)).token
    for (let n = 0; n < workers.length; n++) {
      const fresh = await start('today')
      const old = workers[n] as TestWorker
      const { token } = await signIn(old)
      await expectKnown(token, ...workers, fresh)
      workers[n] = fresh
      await old.stop()
      const [by] = workers.toReversed()
      expect((await (by as TestWorker).sessions.revoke(token)).outcome).to.equal('revoked')
      for (const { sessions } of workers) expect(await sessions.authenticate(token)).to.equal(null)
      // Nobody was signed out by the upgrade.
      await expectKnown(kept, ...workers)
    }
  })

  it('goes back to the release before as well', async () => {
    const fresh = await start('today')
    const { token } = await signIn(fresh)
    await fresh.stop()
    const old = await start('before')
    await expectKnown(token, old)
    expect((await old.sessions.revoke(token)).outcome).to.equal('revoked')
  })

  it('to another protocol is refused in words while workers of the old one live, and signs nobody out after', async () => {
    const old = await start('lastProtocol')
    const { token } = await signIn(old)
    const refused = await rejection(start('today'))
    expect(String(refused)).to.match(
      /speak protocol 2, and this one protocol 3.*Stop those of the other release first/,
    )
    await expectKnown(token, old)
    await old.stop()
    const fresh = await start('today')
    await expectKnown(token, fresh)
    const again = await rejection(start('lastProtocol'))
    expect(String(again)).to.include('protocol 3')
    expect((await fresh.sessions.revoke(token)).outcome).to.equal('revoked')
  })

  it('says in the record which protocol the scripts speak', () => {
    const script = readFileSync(new URL('../../shared/coherence/lua/agreement.lua', import.meta.url), 'utf8')
    expect(script).to.include(`'protocol ${protocolVersion}, `)
  })
})
