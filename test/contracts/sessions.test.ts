import { setTimeout as wait } from 'node:timers/promises'
import { expect } from 'chai'
import type { SessionCacheMode } from '../../shared/sessions/create-sessions.ts'
import type { Identity, Subject } from '../../shared/sessions/sessions.ts'
import { newToken } from '../../shared/sessions/token.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { alice as anyone, signIn, startSessionWorker, type TestWorker } from '../support/sessions.ts'

/** `redis` is the oracle: what it answers, the coherent cache must answer too. */
const modes: readonly SessionCacheMode[] = ['redis', 'coherent', 'none']

for (const cache of modes) {
  describe(`sessions with the cache ${cache}, three workers`, () => {
    let redis: TestRedis
    let workers: TestWorker[]
    /** Each test has users of its own. */
    let alice: Subject
    let bob: Subject
    let test = 0

    before(async () => {
      redis = await startRedis()
      workers = await Promise.all([1, 2, 3].map(() => startSessionWorker(redis.url, { cache })))
    })
    beforeEach(() => {
      test++
      alice = { ...anyone, id: `alice${test}` }
      bob = { ...anyone, id: `bob${test}` }
    })
    after(async () => {
      await Promise.all(workers.map((worker) => worker.stop()))
      await redis.stop()
    })

    const first = () => workers[0]!
    const everywhere = (token: string): Promise<(Identity | null)[]> =>
      Promise.all(workers.map(async ({ sessions }) => sessions.authenticate(token)))
    async function expectKnown(token: string, userId: string) {
      // Twice: from the authority, then from what a worker may have kept.
      for (let round = 0; round < 2; round++) {
        expect((await everywhere(token)).map((identity) => identity?.user.id)).to.deep.equal(
          workers.map(() => userId),
        )
      }
    }
    async function expectRefused(token: string) {
      expect(await everywhere(token)).to.deep.equal(workers.map(() => null))
    }

    it('a login on one worker is known to every worker', async () => {
      const { token, identity } = await signIn(first(), alice, { label: 'laptop' })
      await expectKnown(token, alice.id)
      expect(identity.user).to.deep.equal(alice)
      expect(identity.session.label).to.equal('laptop')
    })

    it('logout on one worker is refused by every worker', async () => {
      const { token } = await signIn(first(), alice)
      await expectKnown(token, alice.id)
      expect(await workers[1]!.sessions.revoke(token)).to.include({ outcome: 'revoked', count: 1 })
      await expectRefused(token)
    })

    it('a second logout of the same session finds it gone', async () => {
      const { token } = await signIn(first(), alice)
      await first().sessions.revoke(token)
      expect(await workers[1]!.sessions.revoke(token)).to.include({ outcome: 'gone' })
    })

    it('an unknown or malformed token proves nothing and is never adopted', async () => {
      for (const token of [
        newToken(),
        '',
        'x',
        `${newToken()}=`,
        'ä'.repeat(43),
        `${newToken().slice(1)} `,
      ]) {
        await expectRefused(token)
        expect(await first().sessions.saveData(token, { a: 1 })).to.equal('gone')
        await expectRefused(token)
      }
    })

    it('lists as many as are asked for, after those that are skipped', async () => {
      const ids: string[] = []
      for (let index = 0; index < 5; index++) ids.push((await signIn(first(), alice)).identity.session.id)
      const all = await first().sessions.list(alice.id)
      const pages = await Promise.all(
        [0, 2, 4, 6].map((skip) => first().sessions.list(alice.id, { most: 2, skip })),
      )
      expect(pages.map(({ length }) => length)).to.deep.equal([2, 2, 1, 0])
      expect(new Set(pages.flat().map(({ id }) => id))).to.deep.equal(new Set(all.map(({ id }) => id)))
      expect(all.map(({ id }) => id)).to.include.members(ids)
    })

    it('ending all sessions of a user spares the one to be kept, and other users', async () => {
      const [kept, ended] = [await signIn(first(), alice), await signIn(workers[1]!, alice)]
      const theirs = await signIn(first(), bob)
      for (const { token } of [kept, ended, theirs]) await everywhere(token)
      expect(await workers[2]!.sessions.revokeUser(alice.id, { keep: kept.token })).to.include({
        outcome: 'revoked',
        count: 1,
      })
      await expectRefused(ended.token)
      await expectKnown(kept.token, alice.id)
      await expectKnown(theirs.token, bob.id)
      expect((await first().sessions.list(alice.id)).map(({ id }) => id)).to.deep.equal([
        kept.identity.session.id,
      ])
    })

    it('one session ends by its public id, and only if it belongs to that user', async () => {
      const [a, b] = [await signIn(first(), alice), await signIn(first(), alice)]
      for (const { token } of [a, b]) await everywhere(token)
      expect(await first().sessions.revokeById(bob.id, a.identity.session.id)).to.include({
        outcome: 'gone',
      })
      await expectKnown(a.token, alice.id)
      expect((await first().sessions.revokeById(alice.id, a.identity.session.id)).outcome).to.equal('revoked')
      await expectRefused(a.token)
      await expectKnown(b.token, alice.id)
    })

    it('a rotation makes the old token dead everywhere and ends the other sessions', async () => {
      const [mine, other] = [await signIn(first(), alice), await signIn(first(), alice)]
      for (const { token } of [mine, other]) await everywhere(token)
      await first().sessions.saveData(mine.token, { theme: 'dark' })
      const rotated = await workers[1]!.sessions.rotateAndRevokeOthers(alice.id, mine.token)
      if (rotated.outcome !== 'rotated') throw new Error(`ended as ${rotated.outcome}`)
      await expectRefused(mine.token)
      await expectRefused(other.token)
      await expectKnown(rotated.token, alice.id)
      expect((await first().sessions.loadData(rotated.token))?.data).to.deep.equal({ theme: 'dark' })
      expect(rotated.identity.session.id).to.equal(mine.identity.session.id)
      expect((await first().sessions.rotateAndRevokeOthers(alice.id, mine.token)).outcome).to.equal('gone')
    })

    it('a change of roles is effective on every worker when it is answered', async () => {
      const { token } = await signIn(first(), alice)
      await everywhere(token)
      await workers[1]!.sessions.updateSubject(
        { ...alice, roles: ['admin'], version: 2 },
        { disabled: false },
      )
      expect((await everywhere(token)).map((identity) => identity?.user.roles)).to.deep.equal(
        workers.map(() => ['admin']),
      )
    })

    it('an older record of the user never overwrites a newer one, not even at a login', async () => {
      const { token } = await signIn(first(), { ...alice, roles: ['user'], version: 5 })
      await first().sessions.updateSubject({ ...alice, roles: ['admin'], version: 4 }, { disabled: false })
      await signIn(first(), { ...alice, roles: ['admin'], version: 3 })
      expect((await everywhere(token)).map((identity) => identity?.user.roles)).to.deep.equal(
        workers.map(() => ['user']),
      )
    })

    it('disabling ends the sessions although a newer version of the record is known, and says that it was ignored', async () => {
      const { token } = await signIn(first(), { ...alice, lineage: 'one', version: 5 })
      await everywhere(token)
      const restored = { ...alice, lineage: 'one', roles: ['restored'], version: 2 }
      const ended = await workers[1]!.sessions.updateSubject(restored, { disabled: true })
      expect(ended).to.deep.equal({ outcome: 'ignored', count: 1, knownVersion: 5 })
      await expectRefused(token)
      expect(await first().sessions.updateSubject(restored, { disabled: false })).to.deep.equal({
        outcome: 'ignored',
        count: 0,
        knownVersion: 5,
      })
      const again = await signIn(first(), restored)
      await expectKnown(again.token, alice.id)
      expect(again.identity.user).to.deep.include({ lineage: 'one', roles: alice.roles, version: 5 })
    })

    it('a record of another lineage is taken whatever its version, at a login too', async () => {
      const { token } = await signIn(first(), { ...alice, lineage: 'one', version: 5 })
      await everywhere(token)
      const restored = { ...alice, lineage: 'two', roles: ['restored'], version: 2 }
      expect((await workers[1]!.sessions.updateSubject(restored, { disabled: false })).outcome).to.equal(
        'gone',
      )
      expect((await everywhere(token)).map((identity) => identity?.user)).to.deep.equal(
        workers.map(() => restored),
      )
      const third = await signIn(first(), { ...alice, lineage: 'three', version: 1 })
      expect(third.identity.user).to.deep.include({ lineage: 'three', version: 1 })
    })

    it('disabling a user ends all sessions and refuses logins until it is lifted', async () => {
      const { token } = await signIn(first(), alice)
      await everywhere(token)
      const ended = await first().sessions.updateSubject({ ...alice, version: 2 }, { disabled: true })
      expect(ended).to.include({ outcome: 'revoked', count: 1 })
      await expectRefused(token)
      const { sessions } = workers[1]!
      const login = async () => sessions.create(await sessions.prepareLogin(alice.id), { subject: alice })
      expect((await login()).outcome).to.equal('disabled')
      await first().sessions.updateSubject({ ...alice, version: 3 }, { disabled: false })
      await expectRefused(token)
      expect((await login()).outcome).to.equal('created')
    })

    it('a login that was prepared before a revocation of the user creates nothing', async () => {
      const { sessions } = first()
      const ticket = await sessions.prepareLogin(alice.id)
      await workers[1]!.sessions.revokeUser(alice.id)
      expect(await sessions.create(ticket, { subject: alice })).to.deep.equal({ outcome: 'superseded' })
      expect(await sessions.list(alice.id)).to.deep.equal([])
    })

    it('writes to different fields at the same time all survive, and null removes one', async () => {
      const { token } = await signIn(first(), alice)
      await Promise.all(
        workers.map(({ sessions }, i) => sessions.saveData(token, { [`field${i}`]: { n: i } })),
      )
      await first().sessions.saveData(token, { field1: null })
      expect((await workers[2]!.sessions.loadData(token))?.data).to.deep.equal({
        field0: { n: 0 },
        field2: { n: 2 },
      })
    })

    it('a write that comes after the logout revives nothing', async () => {
      const { token } = await signIn(first(), alice)
      await first().sessions.revoke(token)
      for (const { sessions } of workers) {
        expect(await sessions.saveData(token, { a: 1 })).to.equal('gone')
        expect(await sessions.relabel(token, 'x')).to.equal('gone')
        expect(await sessions.loadData(token)).to.equal(null)
      }
      await expectRefused(token)
    })

    it('many writes, touches and rotations racing one logout revive nothing', async () => {
      for (let round = 0; round < 10; round++) {
        const { token } = await signIn(first(), alice)
        await everywhere(token)
        await Promise.all([
          ...workers.map(({ sessions }) => sessions.saveData(token, { round })),
          first().sessions.revoke(token),
          ...workers.map(({ sessions }) => sessions.loadData(token)),
          ...workers.map(({ sessions }) => sessions.relabel(token, 'late')),
        ])
        await expectRefused(token)
      }
    })

    it('the maximum of sessions holds under 50 simultaneous logins', async () => {
      const tokens = await Promise.all(Array.from({ length: 50 }, (_, i) => signIn(workers[i % 3]!, alice)))
      expect(await first().sessions.list(alice.id)).to.have.length(20)
      const alive = await Promise.all(tokens.map(({ token }) => first().sessions.authenticate(token)))
      expect(alive.filter(Boolean)).to.have.length(20)
    })

    it('a login that ends nothing and says nothing new is announced to nobody', async () => {
      const before = (await first().sessions.revokeUser('nobody'), first().coherence.position().seq)
      await signIn(first(), { ...alice, id: 'newcomer' })
      await signIn(first(), { ...alice, id: 'newcomer' })
      expect(first().coherence.position().seq).to.equal(before)
      await signIn(first(), { ...alice, id: 'newcomer', roles: ['other'], version: 2 })
      expect(first().coherence.position().seq).to.equal(before + 1)
    })

    it('a login that ends the others leaves one session', async () => {
      const before = await Promise.all([signIn(first(), alice), signIn(workers[1]!, alice)])
      for (const { token } of before) await everywhere(token)
      const { token } = await signIn(workers[2]!, alice, { endOthers: true })
      for (const old of before) await expectRefused(old.token)
      await expectKnown(token, alice.id)
    })

    it('the data of a session stays within its bound however many write at the same time', async () => {
      const { token } = await signIn(first())
      const kilobyte = 'x'.repeat(1_024)
      const outcomes = await Promise.all(
        Array.from({ length: 60 }, (_, i) =>
          workers[i % workers.length]!.sessions.saveData(token, { [`field${i}`]: kilobyte }),
        ),
      )
      expect(new Set(outcomes)).to.deep.equal(new Set(['saved', 'too-large']))
      const { data } = (await first().sessions.loadData(token))!
      expect(Object.keys(data)).to.have.length(outcomes.filter((outcome) => outcome === 'saved').length)
      expect(Buffer.byteLength(JSON.stringify(data)))
        .to.be.at.most(32 * 1_024)
        .and.above(30 * 1_024)
      expect(await first().sessions.saveData(token, { field0: null, field1: null, more: 'x' })).to.equal(
        'saved',
      )
    })

    it('a new label is seen by every worker', async () => {
      const { token } = await signIn(first(), alice)
      await everywhere(token)
      await first().sessions.relabel(token, 'phone')
      const labels = (await everywhere(token)).map((identity) => identity?.session.label)
      expect(labels).to.deep.equal(workers.map(() => 'phone'))
      expect((await workers[1]!.sessions.list(alice.id)).map(({ label }) => label)).to.deep.equal(['phone'])
    })

    it('the response gate closes with the session', async () => {
      const { token } = await signIn(first(), alice)
      await everywhere(token)
      expect(await first().sessions.stillValid(token)).to.equal(true)
      await workers[1]!.sessions.revoke(token)
      expect(await first().sessions.stillValid(token)).to.equal(false)
    })
  })

  describe(`timeouts of sessions with the cache ${cache}`, () => {
    let redis: TestRedis
    before(async () => {
      redis = await startRedis()
    })
    after(() => redis.stop())

    it('a session ends when it was idle for too long, and not while it is used', async () => {
      const worker = await startSessionWorker(redis.url, { cache, domain: 'idle', idleMs: 1_000 })
      const { token } = await signIn(worker, anyone)
      for (let use = 0; use < 8; use++) {
        await wait(200)
        expect((await worker.sessions.authenticate(token))?.user.id).to.equal(anyone.id)
      }
      await wait(1_100)
      expect(await worker.sessions.authenticate(token)).to.equal(null)
      await worker.stop()
    })

    it('no use keeps a session beyond its absolute end', async () => {
      const limits = { idleMs: 300, absoluteMs: 700 }
      const worker = await startSessionWorker(redis.url, { cache, domain: 'absolute', ...limits })
      const { token } = await signIn(worker, anyone)
      await eventually(async () => expect(await worker.sessions.authenticate(token)).to.equal(null), 3_000)
      await worker.stop()
    })
  })
}
