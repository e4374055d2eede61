import { expect } from 'chai'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { launchBrowser } from '../support/browser.ts'
import { admin, startCluster, withoutLimits, type TestCluster } from '../support/cluster.ts'
import { signIn, type SignedIn } from '../support/http.ts'

describe('Open pages of who is signed out elsewhere', function () {
  this.timeout(60_000)
  const vera = { email: 'vera@example.com', password: 'viewers look and never touch' }
  let cluster: TestCluster
  let browser: Browser
  let administrator: SignedIn
  let veraId: string
  let context: BrowserContext

  before(async function () {
    this.timeout(300_000)
    browser = await launchBrowser()
    cluster = await startCluster({ env: withoutLimits })
    administrator = await signIn(cluster.url, { ...admin, transport: 'token' })
    const body = { ...vera, name: 'Vera', roles: ['viewer'] }
    const made = await administrator.send('/api/v1/admin/users', { method: 'POST', body })
    expect(made.status, made.body).to.equal(201)
    veraId = made.json().user.id
  })
  afterEach(() => context?.close())
  after(async () => {
    await browser?.close()
    await cluster?.stop()
  })

  async function enter(options: { javaScriptEnabled?: boolean } = {}): Promise<Page> {
    context = await browser.newContext({ locale: 'en-US', ...options })
    const page = await context.newPage()
    await page.goto(`${cluster.url}/sign-in`)
    await page.getByLabel('E-mail address').fill(vera.email)
    await page.getByLabel('Password').fill(vera.password)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.waitForURL((url) => url.pathname !== '/sign-in' || url.search === '')
    return page
  }

  async function openTab(path: string): Promise<Page> {
    const page = await context.newPage()
    // The stream is open by then.
    const listening = page.waitForResponse((answer) => answer.url().includes('/api/v1/auth/stream'))
    await page.goto(cluster.url + path)
    expect((await listening).status()).to.equal(200)
    return page
  }

  const note = (page: Page) => page.getByRole('alert')

  it('say so at once in every tab, and lead back to where one was', async () => {
    await enter()
    const tabs = [await openTab('/sign-in'), await openTab('/admin/queues')]
    const ended = await administrator.send(`/api/v1/admin/users/${veraId}/sessions`, { method: 'DELETE' })
    expect(ended.status).to.equal(200)
    await note(tabs[0]!).getByText('You have been signed out.').waitFor()
    // The board asks by itself every few seconds, and may have gone to the sign-in page by now.
    await Promise.race([
      note(tabs[1]!).getByText('You have been signed out.').waitFor(),
      tabs[1]!.waitForURL('**/sign-in?next=**'),
    ])
    await note(tabs[0]!).getByRole('link', { name: 'Sign in' }).click()
    await tabs[0]!.getByLabel('Password').waitFor()
  })

  it('say so when a role is lost that the page is for, and only there', async () => {
    await enter()
    const [own, board] = [await openTab('/account'), await openTab('/admin/queues')]
    const change = (roles: string[]) =>
      administrator.send(`/api/v1/admin/users/${veraId}`, { method: 'PATCH', body: { roles } })
    expect((await change(['user'])).status).to.equal(200)
    await note(board).getByText('You may not see this page any more.').waitFor()
    expect(await note(own).count()).to.equal(0)
    expect((await change(['viewer'])).status).to.equal(200)
  })

  it('go on after a change of the password in another tab of the same browser', async () => {
    await enter()
    const [page, changing] = [await openTab('/sign-in'), await openTab('/account')]
    const newPassword = 'another sentence that nobody knows'
    const again = page.waitForResponse(
      (answer) => answer.url().includes('/api/v1/auth/stream') && answer.status() === 200,
    )
    const status = await changing.evaluate(
      async ([currentPassword, wanted]) => {
        const headers = { 'Content-Type': 'application/json' }
        const body = JSON.stringify({ currentPassword, newPassword: wanted })
        return (await fetch('/api/v1/auth/password', { method: 'PUT', headers, body })).status
      },
      [vera.password, newPassword],
    )
    expect(status).to.equal(204)
    vera.password = newPassword
    await again
    expect(await note(page).count()).to.equal(0)
  })

  it('are as before without scripts', async () => {
    const page = await enter({ javaScriptEnabled: false })
    await page.goto(`${cluster.url}/account`)
    await administrator.send(`/api/v1/admin/users/${veraId}/sessions`, { method: 'DELETE' })
    await page.reload()
    await page.getByLabel('Password').waitFor()
    expect(new URL(page.url()).pathname).to.equal('/sign-in')
  })
})
