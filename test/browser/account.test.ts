import { expect } from 'chai'
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { launchBrowser, watchPage } from '../support/browser.ts'
import { startCluster, withoutLimits, type TestCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { accessibilityFaults, signInWith } from '../support/pages.ts'
import { createUsers, type TestUser, type TestUsers } from '../support/users.ts'

const sizes = [
  { width: 320, height: 640 },
  { width: 1_280, height: 800 },
]

describe('One’s own account in a real browser', function () {
  this.timeout(90_000)
  let cluster: TestCluster
  let browser: Browser
  let users: TestUsers
  let user: TestUser
  const contexts: BrowserContext[] = []

  before(async function () {
    this.timeout(300_000)
    browser = await launchBrowser()
    const env = { ...withoutLimits, REGISTRATION: 'on' }
    cluster = await startCluster({ workers: 5, env })
    users = await createUsers(cluster)
  })
  beforeEach(async () => {
    user = await users.register()
  })
  afterEach(() => Promise.all(contexts.splice(0).map((context) => context.close())))
  after(async () => {
    await browser?.close()
    await cluster?.stop()
  })

  async function open(options: BrowserContextOptions = {}): Promise<BrowserContext> {
    const context = await browser.newContext({ locale: 'en-GB', ...options })
    contexts.push(context)
    return context
  }
  /** A browser of its own that is signed in, on the page of the account. */
  async function openAccount(options: BrowserContextOptions = {}): Promise<Page> {
    const context = await open(options)
    await signInWith(context, cluster.url, user.credentials)
    const page = await context.newPage()
    await page.goto(`${cluster.url}/account`)
    return page
  }
  const rows = (page: Page) => page.locator('#devices tbody tr')

  it('ends the session of another browser, whose next click lands on the page to sign in', async () => {
    const other = await openAccount({ javaScriptEnabled: false })
    const mine = await openAccount()
    await rows(mine).nth(1).getByRole('button').click()
    await mine.getByRole('status').getByText('workers confirmed in').waitFor()
    await other.getByRole('button', { name: 'Save' }).last().click()
    await other.waitForURL(/\/sign-in\?next=%2Faccount/)
    await other.getByText('Nothing was changed').waitFor()
    await other.locator('#email').fill(user.credentials.email)
    await other.locator('#password').fill(user.credentials.password)
    await other.locator('main form button').click()
    await other.waitForURL(`${cluster.url}/account`)
  })

  it('shows devices that sign in and out while it is open', async () => {
    const mine = await openAccount()
    expect(await rows(mine).count()).to.equal(1)
    const other = await openAccount()
    await eventually(async () => expect(await rows(mine).count()).to.equal(2))
    await other.locator('form.who button').click()
    await other.getByText('You have signed out.').waitFor()
    await eventually(async () => expect(await rows(mine).count()).to.equal(1))
  })

  it('shows nothing any more when one goes back after having signed out', async () => {
    const page = await openAccount()
    await page.locator('form.who button').click()
    await page.getByText('You have signed out.').waitFor()
    await page.goBack()
    await page.waitForURL(/\/sign-in/)
    expect(await page.content()).not.to.include(user.credentials.email)
  })

  /** A browser that is signed in, with a worker that none of its connections leads to. */
  async function openBesides(): Promise<{ page: Page; idle: number }> {
    const context = await open({ javaScriptEnabled: false })
    const met = new Set<string | undefined>()
    context.on('response', (response) => met.add(response.headers()['x-worker']))
    await signInWith(context, cluster.url, user.credentials)
    const page = await context.newPage()
    await page.goto(`${cluster.url}/account`)
    const idle = [...cluster.workerPids().keys()].find((slot) => !met.has(`web-${slot}`))
    if (idle === undefined) throw new Error('this browser is connected to every worker')
    return { page, idle }
  }

  it('says that a stopped worker did not answer, and signs out everywhere all the same', async () => {
    const other = await openAccount()
    const { page: mine, idle } = await eventually(openBesides, 30_000)
    cluster.signalWorker(idle, 'SIGSTOP')
    try {
      await mine.getByRole('button', { name: 'Sign out everywhere', exact: true }).click()
      await mine.waitForURL(/\/sign-in\?out=everywhere/)
    } finally {
      cluster.signalWorker(idle, 'SIGCONT')
    }
    expect(await mine.getByRole('status').textContent()).to.match(
      /signed out everywhere\. 4 of 5 workers confirmed in \d+ ms\. One does not answer/,
    )
    const again = await eventually(openBesides, 30_000)
    await eventually(async () => {
      await again.page.getByRole('button', { name: 'Sign out everywhere else' }).click()
      expect(await again.page.getByRole('status').textContent()).to.match(
        /All 5 workers confirmed in \d+ ms\./,
      )
    }, 20_000)
    await other.goto(`${cluster.url}/account`)
    expect(other.url()).to.include('/sign-in')
  })

  it('does everything without JavaScript', async () => {
    const page = await openAccount({ javaScriptEnabled: false })
    await page.locator('details summary').click()
    await page.locator('#label').fill('‮left <b>bold</b>')
    await page.locator('details button').click()
    await page.getByRole('alert').waitFor()
    await page.locator('details summary').click()
    await page.locator('#label').fill('work <b>laptop</b>')
    await page.locator('details button').click()
    await page.getByText('The name of this device is saved.').waitFor()
    await page.getByText('work <b>laptop</b>').first().waitFor()
    await page.locator('#name').fill('Ada Lovelace')
    await page.locator('#name').press('Enter')
    await page.getByText('Your profile is saved.').waitFor()
    await page.locator('#currentPassword').fill(user.credentials.password)
    await page.locator('#newPassword').fill('a new one that is longer')
    await page.locator('#newPassword').press('Enter')
    await page.getByText('Your password is changed').waitFor()
    await page.getByRole('button', { name: 'Sign out everywhere', exact: true }).click()
    await page.getByText('You are signed out everywhere.').waitFor()
  })

  it('is accessible, asks nobody else for anything, and has no error, in light and dark at two widths', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      for (const viewport of sizes) {
        const look = { colorScheme, viewport }
        const inside = await openAccount(look)
        const outside = await (await open(look)).newPage()
        const visits = [
          ...['/account', '/', '/sign-in'].map((path) => [inside, path] as const),
          ...[
            '/',
            '/sign-in',
            '/reset',
            '/reset?state=done',
            '/register',
            '/invitation',
            '/verify-email',
            '/nothing',
          ].map((path) => [outside, path] as const),
        ]
        for (const page of [inside, outside]) {
          page.on('request', (request) => expect(new URL(request.url()).origin).to.equal(cluster.url))
        }
        const faults = [inside, outside].map(watchPage)
        for (const [page, path] of visits) {
          const where = `${path} ${colorScheme} ${viewport.width}`
          await page.goto(`${cluster.url}${path}`)
          expect(await accessibilityFaults(page), where).to.deep.equal([])
          const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth')
          expect(overflow, `${where} is wider than the window`).to.be.at.most(0)
        }
        // The browser itself tells of the page that is not there.
        expect(faults.flat().filter((fault) => !fault.includes('status of 404'))).to.deep.equal([])
      }
    }
  })
})
