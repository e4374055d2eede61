/**
 * What the stores of this part are there for, shown with stores as applications have them today: two workers that share
 * sessions in Redis. The same steps with our stores are in test/contracts/session-stores.test.ts.
 */
import { expect } from 'chai'
import expressSession from 'express-session'
import { Redis } from 'ioredis'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { startExpressApp, startKoaApp, visitor, type StoreApp } from '../support/store-apps.ts'

describe('a plain store, two workers', () => {
  let redis: TestRedis
  let clients: Redis[]
  let apps: StoreApp[] = []

  before(async () => {
    redis = await startRedis()
    clients = [1, 2].map(() => new Redis(redis.url))
  })
  afterEach(async () => {
    await Promise.all(apps.map((app) => app.stop()))
    apps = []
  })
  after(async () => {
    for (const client of clients) client.disconnect()
    await redis.stop()
  })

  /** As koa-redis: whatever is given is written. */
  function upserting(client: Redis) {
    return {
      async get(key: string) {
        return JSON.parse((await client.get(key)) ?? 'null')
      },
      async set(key: string, data: object, ttlMs: number) {
        await client.set(key, JSON.stringify(data), 'PX', ttlMs)
      },
      async destroy(key: string) {
        await client.del(key)
      },
    }
  }

  /** Writes only what is there, or what its request has made: but it can't tell koa-session that it did not. */
  function conditional(client: Redis) {
    const plain = upserting(client)
    return class {
      found = new Set<string>()
      async get(key: string) {
        const data = await plain.get(key)
        if (data) this.found.add(key)
        return data
      }
      async set(key: string, data: object, ttlMs: number) {
        await client.call(
          'SET',
          key,
          JSON.stringify(data),
          'PX',
          String(ttlMs),
          this.found.has(key) ? 'XX' : 'NX',
        )
      }
      destroy(key: string) {
        return plain.destroy(key)
      }
    }
  }

  class ConnectRedis extends expressSession.Store {
    client: Redis
    constructor(client: Redis) {
      super()
      this.client = client
    }
    override get(id: string, done: (fault: unknown, data?: any) => void) {
      void this.client.get(id).then((text) => done(null, text && JSON.parse(text)), done)
    }
    override set(id: string, data: object, done: (fault?: unknown) => void = () => {}) {
      void this.client.set(id, JSON.stringify(data)).then(() => done(), done)
    }
    override destroy(id: string, done: (fault?: unknown) => void = () => {}) {
      void this.client.del(id).then(() => done(), done)
    }
  }

  /** Somebody signs in, logs out on one worker, and a request that was under way on the other one ends after that. */
  async function logOutDuring(path: string) {
    const browser = visitor()
    await browser.send(apps[0]!, '/login?user=alice')
    const [slow, thief] = [browser.copy(), browser.copy()]
    const held = apps[0]!.holdNote()
    const late = slow.send(apps[0]!, path)
    await held.reached
    expect((await browser.send(apps[1]!, '/logout')).status).to.equal(204)
    held.release()
    return { answer: await late, slow, thief }
  }

  it('as koa-redis lets a late request revive a session that was logged out', async () => {
    apps = await Promise.all(clients.map((client) => startKoaApp({ store: upserting(client) })))
    const { answer, thief } = await logOutDuring('/note?text=late')
    expect(answer.status).to.equal(204)
    for (const app of apps) expect((await thief.send(app, '/me')).status).to.equal(200)
  })

  it('as connect-redis does the same under express-session', async () => {
    apps = await Promise.all(clients.map((client) => startExpressApp({ store: new ConnectRedis(client) })))
    const { thief } = await logOutDuring('/note?text=late')
    for (const app of apps) expect((await thief.copy().send(app, '/me')).status).to.equal(200)
  })

  it('that writes conditionally answers success, sets the cookie again, and revives under another id', async () => {
    apps = await Promise.all(clients.map((client) => startKoaApp({ ContextStore: conditional(client) })))
    const { answer } = await logOutDuring('/note?text=late')
    expect(answer.status).to.equal(204)
    expect([...answer.cookies.values()].filter(Boolean)).to.not.deep.equal([])
    const { slow } = await logOutDuring('/rotate')
    expect((await slow.send(apps[1]!, '/me')).status).to.equal(200)
  })
})
