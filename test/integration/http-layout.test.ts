import { expect } from 'chai'
import { definePage, defineRoute, html, z } from 'lockstep'
import { defineAction } from '../../server/web/features/pages/action.ts'
import { answerConfirmation } from '../../server/web/features/pages/confirmation.ts'
import { cookieSetBy, startHttpApp, type Answer, type HttpApp } from '../support/http-app.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

const hostile = `</title><script>alert(1)</script> "x" 'y' \u202eright to left`

describe('The frame of all pages', () => {
  let redis: TestRedis
  let app: HttpApp
  let done = 0

  const pages = [
    definePage({
      path: '/orders',
      access: 'signed-in',
      summary: 'Orders',
      navigation: { label: (locale) => (locale === 'de' ? 'Bestellungen' : 'Orders'), order: 20 },
      handler: () => ({ title: hostile, main: html`<p>${hostile}</p>` }),
    }),
    definePage({
      path: '/deep/er/page',
      access: { roles: ['admin'] },
      summary: 'For administrators',
      navigation: { label: hostile },
      handler: () => ({ title: 'Deep', main: html`<p>deep</p>` }),
    }),
    definePage({
      path: '/hello',
      access: 'anyone',
      summary: 'For everybody',
      navigation: { label: 'Hello' },
      handler: () => ({ title: 'Hello', main: html`<p>hello</p>` }),
    }),
    defineAction({
      path: '/orders/cancel',
      back: '/orders',
      access: 'signed-in',
      summary: 'Cancel an order',
      body: z.strictObject({ id: z.string().max(3), confirmed: z.literal('yes').optional() }),
      handler(ctx, { body: { id, confirmed } }) {
        if (confirmed !== 'yes') {
          return answerConfirmation(ctx, {
            title: 'Cancel it?',
            text: `The order ${id} is gone then.`,
            action: '/orders/cancel',
            hidden: { id },
            button: 'Cancel the order',
            back: '/orders',
          })
        }
        done++
        return { notice: { kind: 'done', text: `Cancelled <${id}>` } }
      },
    }),
  ]
  const sheet = defineRoute({
    method: 'GET',
    path: '/look.css',
    access: 'anyone',
    summary: 'The look',
    replies: { 200: { description: 'A style sheet' } },
    handler(ctx) {
      ctx.type = 'css'
      ctx.body = ':root { --action: #705000 }'
    },
  })

  before(async () => {
    redis = await startRedis()
    app = await startHttpApp({
      redisUrl: redis.url,
      env: { APP_NAME: 'shop' },
      pages,
      routes: [sheet],
      stylesheet: '/look.css',
    })
    await app.register('ada@example.com')
    await app.register('root@example.com', ['user', 'admin'])
  })
  after(async () => {
    await app?.stop()
    await redis?.stop()
  })

  const send = (path: string, cookie: string | undefined, fields: Record<string, string>, more = {}) =>
    app.request('POST', path, {
      body: new URLSearchParams(fields).toString(),
      headers: {
        'Content-Type': 'application/x-www-form-urlencoded',
        'Sec-Fetch-Site': 'same-origin',
        ...(cookie ? { Cookie: cookie } : {}),
        ...more,
      },
    })
  const noticeSetBy = (answer: Answer) =>
    /^notice=([^;]*)/.exec(
      answer.headers['set-cookie']?.find((line) => line.startsWith('notice=')) ?? '',
    )?.[1]

  it('begins with a page for browsers, and with JSON for programs', async () => {
    const browser = { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }
    const page = await app.request('GET', '/', { headers: browser })
    expect(page.headers['content-type']).to.include('text/html')
    expect(page.headers.vary).to.include('Accept')
    expect(page.text).to.include('shop runs here').and.include('href="./hello"').and.include('./sign-in')
    expect(page.text).not.to.include('./orders')
    const cookie = await app.signIn('ada@example.com')
    const own = await app.request('GET', '/', { cookie, headers: { ...browser, 'Accept-Language': 'de' } })
    expect(own.text).to.include('./orders').and.include('Ihr Konto').and.include('ada@example.com')
    for (const accept of [undefined, '*/*', 'application/json']) {
      const headers: Record<string, string> = accept === undefined ? {} : { Accept: accept }
      const { headers: sent, ...answer } = await app.request('GET', '/', { headers })
      expect(answer.json()).to.deep.equal({ name: 'shop', documentation: '/openapi.json' })
      expect(sent['content-type']).to.include('application/json')
    }
  })

  it('names the application, and carries its style sheet after ours', async () => {
    const { text } = await app.request('GET', '/hello')
    expect(text).to.include('<title>Hello · shop</title>')
    expect(text.indexOf('./assets/pages.css')).to.be.below(text.indexOf('./look.css'))
    expect(text).to.include('href="#main"').and.to.include('<main id="main"')
  })

  it('has in its navigation what the reader may open, by roles, and no more', async () => {
    const linksOf = async (path: string, cookie?: string) =>
      (await app.request('GET', path, cookie ? { cookie } : {})).text
    const stranger = await linksOf('/hello')
    expect(stranger).to.include('href="./hello" aria-current="page"').and.to.include('href="./sign-in"')
    expect(stranger).not.to.include('./orders')
    const ada = await linksOf('/hello', await app.signIn('ada@example.com'))
    expect(ada).to.include('./orders').and.to.include('action="./sign-out"')
    expect(ada).not.to.include('deep/er')
    const root = await linksOf('/deep/er/page', await app.signIn('root@example.com'))
    expect(root).to.include('href="../../deep/er/page" aria-current="page"')
    expect(root).to.include('href="../../orders"')
  })

  it('escapes whatever a page, a name or a label holds', async () => {
    const cookie = await app.signIn('root@example.com')
    const { text, headers } = await app.request('GET', '/orders', { cookie })
    expect(text).not.to.include('<script>').and.not.to.include(hostile)
    expect(text.match(/&lt;script&gt;/g)).to.have.length.above(3)
    expect(headers['content-security-policy']).to.include("default-src 'none'").and.not.include('unsafe')
    expect(headers['cache-control']).to.equal('no-store')
  })

  it('speaks the language that the browser prefers', async () => {
    const cookie = await app.signIn('ada@example.com')
    const inLanguage = (language: string) =>
      app.request('GET', '/orders', { cookie, headers: { 'Accept-Language': language } })
    const german = await inLanguage('fr, de-AT;q=0.8, en;q=0.5')
    expect(german.text).to.include('<html lang="de">').and.include('Bestellungen').and.include('Abmelden')
    expect(german.headers['content-language']).to.equal('de')
    expect(german.headers.vary).to.include('Accept-Language')
    for (const other of ['fr', '*', '', 'en-GB, de;q=0.9', ';;;,q=x']) {
      expect((await inLanguage(other)).text, other)
        .to.include('<html lang="en">')
        .and.include('Orders')
    }
  })

  describe('around a form', () => {
    it('asks before what can not be undone, does it once, and says so once', async () => {
      const cookie = await app.signIn('ada@example.com')
      const asked = await send('/orders/cancel', `sid=${cookie}`, { id: '<b>' })
      expect(asked.status).to.equal(200)
      expect(asked.text).to.include('The order &lt;b&gt; is gone then.').and.include('value="yes"')
      expect(done).to.equal(0)

      const answer = await send('/orders/cancel', `sid=${cookie}`, { id: '<b>', confirmed: 'yes' })
      expect(answer.status).to.equal(303)
      expect(answer.headers.location).to.equal('../orders')
      expect(done).to.equal(1)
      const notice = noticeSetBy(answer)
      const told = await app.request('GET', '/orders', {
        headers: { Cookie: `sid=${cookie}; notice=${notice}` },
      })
      expect(told.text).to.include('<p role="status">Cancelled &lt;&lt;b&gt;&gt;</p>')
      expect(noticeSetBy(told)).to.equal('')
    })

    it('tells nothing that another session, or nobody, was told', async () => {
      const cookie = await app.signIn('ada@example.com')
      const other = await app.signIn('root@example.com')
      const notice = noticeSetBy(await send('/orders/cancel', `sid=${cookie}`, { id: 'x', confirmed: 'yes' }))
      const planted = Buffer.from(JSON.stringify({ kind: 'fault', text: 'Cancelled' })).toString('base64url')
      for (const [sid, value] of [
        [other, notice],
        [cookie, `${planted}.${notice?.split('.')[1]}`],
        [cookie, planted],
        [cookie, '.'],
        [cookie, '%00'],
      ]) {
        const { status, text } = await app.request('GET', '/orders', {
          headers: { Cookie: `sid=${sid}; notice=${value}` },
        })
        expect(status).to.equal(200)
        expect(text).not.to.include('Cancelled')
      }
    })

    it('says on the page what was wrong with it', async () => {
      const cookie = await app.signIn('ada@example.com')
      const answer = await send('/orders/cancel', `sid=${cookie}`, { id: 'too long', confirmed: 'yes' })
      expect(answer.status).to.equal(303)
      const notice = noticeSetBy(answer)
      const { text } = await app.request('GET', '/orders', {
        headers: { Cookie: `sid=${cookie}; notice=${notice}` },
      })
      expect(text).to.match(/<p role="alert">Id /)
    })

    it('leads who was signed out meanwhile to sign in and back to the page, and does nothing', async () => {
      const before = done
      const answer = await send('/orders/cancel', undefined, { id: 'x', confirmed: 'yes' })
      expect(answer.status).to.equal(303)
      expect(answer.headers.location).to.equal('../sign-in?next=%2Forders&out=expired')
      expect(cookieSetBy(answer)).to.equal(null)
      expect((await app.request('GET', '/sign-in?next=%2Forders&out=expired')).text).to.include(
        'Nothing was changed',
      )
      expect(done).to.equal(before)
    })

    it('is not sent from another site, whatever it holds', async () => {
      const before = done
      const cookie = await app.signIn('ada@example.com')
      const answer = await send(
        '/orders/cancel',
        `sid=${cookie}`,
        { id: 'x', confirmed: 'yes' },
        { 'Sec-Fetch-Site': 'cross-site' },
      )
      expect(answer.status).to.equal(403)
      expect(answer.headers['content-type']).to.include('text/html')
      expect(done).to.equal(before)
    })
  })
})
