/** Settings that the processes of somebody's own app share: `openSettings`. */
import { expect } from 'chai'
import { Redis } from 'ioredis'
import { z } from 'zod'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { ConfigurationError, openSettings, type OpenSettingsOptions } from '../../shared/settings/index.ts'
import { openSessions } from '../../shared/sessions/index.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { rejection } from '../support/rejection.ts'

const schema = z.object({ checkout: z.boolean().default(true), banner: z.string().max(20).default('') })
let names = 0

describe('the settings of an app with its own server', function () {
  this.timeout(30_000)
  const cleanUp = cleanUpAfterEach()
  let redis: TestRedis

  before(async () => {
    redis = await startRedis()
  })
  after(() => redis.stop())
  beforeEach(() => void names++)

  async function open(options: Partial<OpenSettingsOptions<typeof schema>> = {}) {
    const settings = openSettings({
      name: `shop ${names}`,
      redis: redis.url,
      app: 'shop',
      schema,
      ...options,
    } as OpenSettingsOptions<typeof schema>)
    await settings.start()
    cleanUp(() => settings.stop(deadlineIn(1_000)))
    return settings
  }

  it('are followed by every process when a change is answered', async () => {
    const seen: [boolean, boolean][] = []
    const [one, other] = [
      await open(),
      await open({ onChange: (now, before) => void seen.push([before.checkout, now.checkout]) }),
    ]
    expect(await other.decide()).to.deep.equal({ checkout: true, banner: '' })
    expect(await one.change({ checkout: false })).to.deep.equal({ checkout: false, banner: '' })
    // Without waiting: it was true when the change was answered.
    expect(other.current()).to.deep.equal({ checkout: false, banner: '' })
    expect(seen.at(-1)).to.deep.equal([true, false])
    await other.change({ checkout: null, banner: 'soon' })
    expect(one.current()).to.deep.equal({ checkout: true, banner: 'soon' })
  })

  it('are there for a process that starts later, and after a restart', async () => {
    const one = await open()
    await one.change({ banner: 'closed' })
    expect((await open()).current().banner).to.equal('closed')
  })

  it('of another release that nobody knows any more are left alone', async () => {
    const wide = openSettings({
      name: `shop ${names}`,
      redis: redis.url,
      app: 'shop',
      schema: schema.extend({ old: z.number().default(1) }),
    })
    await wide.start()
    cleanUp(() => wide.stop(deadlineIn(1_000)))
    await wide.change({ old: 7 })
    const narrow = await open()
    await narrow.change({ banner: 'x' })
    expect(wide.current()).to.deep.equal({ checkout: true, banner: 'x', old: 7 })
  })

  it('refuse what the schema does, before anything is asked of Redis', async () => {
    const settings = await open()
    expect(await rejection(settings.change({ banner: 'x'.repeat(21) }))).to.be.instanceOf(TypeError)
    expect(String(await rejection(settings.change({ baner: 'x' } as object)))).to.include(
      'baner is no setting',
    )
  })

  it('can not be changed while Redis is away, and nobody is told otherwise', async () => {
    const own = await startRedis()
    cleanUp(() => own.stop())
    const settings = await open({ redis: own.url } as Partial<OpenSettingsOptions<typeof schema>>)
    own.freeze()
    expect(await rejection(settings.change({ checkout: false }))).to.have.property('name', 'Unavailable')
    expect(settings.current().checkout).to.equal(true)
    own.thaw()
  })

  it('share the domain of sessions that are open', async () => {
    const sessions = openSessions({ name: `shop ${names}`, redis: () => new Redis(redis.url), app: 'shop' })
    await sessions.start()
    cleanUp(() => sessions.stop(deadlineIn(1_000)))
    const beside = openSettings({ domain: sessions.domain, schema })
    await beside.start()
    const other = await open()
    await other.change({ checkout: false })
    expect(beside.current().checkout).to.equal(false)
  })

  it('are refused what can not be meant, all at once', () => {
    expect(() => openSettings(undefined as never)).to.throw(ConfigurationError, 'openSettings needs options')
    const wrong = {
      name: '',
      redis: 'nowhere',
      schema: z.object({ 'a-b': z.string().default(''), c: z.string() }),
    }
    const open = () => openSettings(wrong)
    expect(open).to.throw(ConfigurationError)
    for (const said of [
      'name is missing',
      'is no address of a Redis',
      "settings.a-b can't be",
      'settings.c has no default',
    ]) {
      expect(open).to.throw(said)
    }
    expect(() => openSettings({ name: 'shop', redis: redis.url, schema: { a: 1 } as never })).to.throw(
      'schema is not a zod schema',
    )
    expect(() => openSettings({ name: 'shop', redis: redis.url, schema }).current()).to.throw(
      'the settings of "shop" are not started',
    )
  })
})
