/**
 * What an application gets by changing one line: the same for koa-session and express-session, each on two workers with
 * connections and memories of their own.
 */
import { expect } from 'chai'
import expressSession from 'express-session'
import {
  expressSessionStore,
  koaSessionStore,
  openSessions,
  type OpenSessions,
} from '../../shared/sessions/index.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { startExpressApp, startKoaApp, visitor, type StoreApp } from '../support/store-apps.ts'

const user = (data: Readonly<Record<string, unknown>>) => data.userId as string | undefined

const libraries = {
  'koa-session': (sessions: OpenSessions) =>
    startKoaApp({ ContextStore: koaSessionStore(sessions, { user }) }),
  'express-session': (sessions: OpenSessions) =>
    startExpressApp({ store: expressSessionStore(expressSession, sessions, { user }) }),
}

for (const [library, start] of Object.entries(libraries)) {
  describe(`the store for ${library}, two workers`, () => {
    let redis: TestRedis
    let sessions: OpenSessions[]
    let apps: StoreApp[]
    let alice: string
    let count = 0
    const [first, second] = [() => apps[0]!, () => apps[1]!]

    before(async () => {
      redis = await startRedis()
      sessions = [1, 2].map(() => openSessions({ name: 'shop', redis: redis.url, app: null }))
      await Promise.all(sessions.map((each) => each.start()))
      apps = await Promise.all(sessions.map(start))
    })
    beforeEach(() => {
      alice = `alice${++count}`
    })
    after(async () => {
      await Promise.all(apps.map((app) => app.stop()))
      await Promise.all(sessions.map((each) => each.stop(deadlineIn(2_000))))
      await redis.stop()
    })

    async function signedIn(path = '/login') {
      const browser = visitor()
      const answer = await browser.send(first(), `${path}?user=${alice}`)
      expect(answer.status).to.equal(204)
      return browser
    }

    it('a guest keeps a session over both workers, and nobody is signed in', async () => {
      const browser = visitor()
      await browser.send(first(), '/guest?basket=apples')
      expect((await browser.send(second(), '/basket')).json()).to.deep.equal({
        basket: 'apples',
        userId: null,
      })
      expect((await browser.send(second(), '/me')).status).to.equal(401)
    })

    it('a sign-in keeps what the guest had, under a new id, and the old one is dead', async () => {
      const browser = visitor()
      await browser.send(first(), '/guest?basket=pears')
      const before = browser.copy()
      expect((await browser.send(second(), `/login?user=${alice}`)).status).to.equal(204)
      expect((await browser.send(first(), '/basket')).json()).to.deep.equal({
        basket: 'pears',
        userId: alice,
      })
      expect((await before.send(first(), '/basket')).json()).to.deep.equal({ basket: null, userId: null })
    })

    it('a sign-in without a new id works as well', async () => {
      const browser = visitor()
      await browser.send(first(), '/guest?basket=plums')
      await browser.send(second(), `/login-in-place?user=${alice}`)
      expect((await browser.send(first(), '/basket')).json()).to.deep.equal({
        basket: 'plums',
        userId: alice,
      })
      expect(await sessions[0]!.list(alice)).to.have.length(1)
    })

    it('logout on one worker is refused by the other', async () => {
      const browser = await signedIn()
      expect((await browser.send(second(), '/me')).json()).to.include({ userId: alice })
      const thief = browser.copy()
      expect((await browser.send(first(), '/logout')).status).to.equal(204)
      expect((await thief.send(second(), '/me')).status).to.equal(401)
      expect(await sessions[0]!.list(alice)).to.have.length(0)
    })

    it('a request that is late does not revive the session that was logged out meanwhile', async () => {
      const browser = await signedIn()
      const slow = browser.copy()
      const held = first().holdNote()
      const late = slow.send(first(), '/note?text=late')
      await held.reached
      expect((await browser.copy().send(second(), '/logout')).status).to.equal(204)
      held.release()
      const answer = await late
      expect(answer.status).to.equal(401)
      expect([...answer.cookies.values()].filter(Boolean), 'no cookie').to.deep.equal([])
      for (const app of apps) expect((await browser.copy().send(app, '/me')).status).to.equal(401)
    })

    it('a late request revives it under no other id either', async () => {
      const browser = await signedIn()
      const slow = browser.copy()
      const held = first().holdNote()
      const late = slow.send(first(), '/rotate')
      await held.reached
      await browser.copy().send(second(), '/logout')
      held.release()
      expect((await late).status).to.equal(401)
      for (const app of apps) expect((await slow.send(app, '/me')).status).to.equal(401)
      expect(await sessions[0]!.list(alice)).to.have.length(0)
    })

    it('signing out everywhere ends the sessions on all workers, and what is being written too', async () => {
      const [phone, laptop] = [await signedIn(), await signedIn()]
      const held = first().holdNote()
      const late = phone.copy().send(first(), '/note?text=late')
      await held.reached
      expect(await sessions[1]!.revokeUser(alice)).to.include({ outcome: 'revoked', count: 2 })
      held.release()
      expect((await late).status).to.equal(401)
      for (const browser of [phone, laptop]) {
        for (const app of apps) expect((await browser.copy().send(app, '/me')).status).to.equal(401)
      }
    })

    it('a sign-in that crosses the end of all sessions is refused, and the next one is welcome', async () => {
      for (const path of ['/login', '/login-in-place']) {
        const browser = visitor()
        await browser.send(first(), '/guest?basket=nuts')
        const held = first().holdNote()
        const late = browser.send(first(), `${path}?user=${alice}`)
        await held.reached
        await sessions[1]!.revokeUser(alice)
        held.release()
        expect((await late).status, path).to.equal(503)
        expect(await sessions[0]!.list(alice), path).to.have.length(0)
        await signedIn(path)
        await sessions[0]!.revokeUser(alice)
      }
    })

    it('a user who is disabled can not sign in', async () => {
      await sessions[0]!.updateSubject({ id: alice, roles: [], version: 1, profile: {} }, { disabled: true })
      expect((await visitor().send(second(), `/login?user=${alice}`)).status).to.equal(403)
    })

    it('signing out in place leaves a guest with the rest, and is true for everybody', async () => {
      const browser = await signedIn()
      await browser.send(first(), '/guest?basket=figs')
      const [other, slow] = [browser.copy(), browser.copy()]
      const held = second().holdNote()
      const late = slow.send(second(), '/note?text=late')
      await held.reached
      await browser.send(first(), '/sign-out')
      held.release()
      expect((await late).status, 'it wrote to the session of the user').to.equal(401)
      for (const app of apps) {
        expect((await other.send(app, '/me')).status).to.equal(401)
        expect((await other.send(app, '/basket')).json()).to.deep.equal({ basket: 'figs', userId: null })
      }
      expect(await sessions[1]!.list(alice)).to.have.length(0)
    })

    it('requests at the same time keep what each has written', async () => {
      const browser = await signedIn()
      const held = first().holdNote()
      const slow = browser.copy().send(first(), '/note?text=kept')
      await held.reached
      await browser.copy().send(second(), '/guest?basket=kept')
      held.release()
      expect((await slow).status).to.equal(204)
      expect((await browser.send(second(), '/me')).json()).to.include({ note: 'kept', basket: 'kept' })
    })

    it('an id that the client has made up is never taken', async () => {
      const browser = visitor()
      await browser.send(first(), '/guest?basket=mine')
      const ended = browser.copy()
      await browser.send(first(), '/logout')
      const answer = await ended.send(second(), '/guest?basket=again')
      expect(answer.status).to.equal(204)
      expect([...answer.cookies.values()].filter(Boolean), 'another id').to.not.deep.equal([])
      for (const value of browser.cookies.values()) {
        expect([...ended.cookies.values()]).to.not.include(value)
      }
    })

    it('data beyond the bound are refused, and nothing of them is written', async () => {
      const browser = await signedIn()
      await browser.send(first(), '/note?text=short')
      expect((await browser.copy().send(second(), '/note?text=long&times=10000')).status).to.equal(413)
      expect((await browser.send(second(), '/me')).json()).to.include({ note: 'short' })
    })

    it('a Redis that is away is an outage (503), neither a guest nor a logout', async () => {
      const browser = await signedIn()
      redis.freeze()
      try {
        expect((await browser.copy().send(first(), '/me')).status).to.equal(503)
        expect((await browser.copy().send(first(), '/logout', { timeoutMs: 20_000 })).status).to.equal(503)
      } finally {
        redis.thaw()
      }
      expect((await browser.send(first(), '/logout')).status).to.equal(204)
      expect((await browser.send(second(), '/me')).status).to.equal(401)
    })
  })
}
