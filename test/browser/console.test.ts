import { expect } from 'chai'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { launchBrowser, watchPage } from '../support/browser.ts'
import { admin, startCluster, withoutLimits, type TestCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { signIn, type Credentials, type SignedIn } from '../support/http.ts'
import { accessibilityFaults, signInWith } from '../support/pages.ts'
import { recordSecret } from '../support/run-records.ts'

interface Person extends Pick<Credentials, 'email' | 'password'> {
  readonly id: string
}

describe('The console in a real browser', function () {
  this.timeout(120_000)
  let cluster: TestCluster
  let browser: Browser
  let root: SignedIn
  const people = new Map<string, Person>()
  const contexts: BrowserContext[] = []

  before(async function () {
    this.timeout(300_000)
    browser = await launchBrowser()
    cluster = await startCluster({ workers: 2, jobWorkers: 1, env: { ...withoutLimits, APP_NAME: 'shop' } })
    root = await signIn(cluster.url, { ...admin, transport: 'token' })
    people.set('admin', { ...admin, id: (await root.send('/api/v1/auth/me')).json().user.id })
    for (const role of ['user', 'viewer', 'operator']) await create(role, ['user', role])
  })
  afterEach(async () => {
    await Promise.all(contexts.splice(0).map((context) => context.close()))
  })
  after(async () => {
    await browser?.close()
    await cluster?.stop()
  })

  async function create(called: string, roles: readonly string[], name = called): Promise<Person> {
    const [email, password] = [`${called}@example.com`, `four wooden spoons of ${called}`]
    recordSecret(password)
    const body = { email, password, name, roles: [...new Set(roles)] }
    const { user } = (await root.send('/api/v1/admin/users', { method: 'POST', body })).json()
    const person = { email, password, id: String(user.id) }
    people.set(called, person)
    return person
  }

  /** A browser of somebody who has signed in. */
  async function browserOf(
    who: string,
    options: Parameters<Browser['newContext']>[0] = {},
  ): Promise<BrowserContext> {
    const context = await browser.newContext({ locale: 'en-US', ...options })
    contexts.push(context)
    await signInWith(context, cluster.url, people.get(who)!)
    return context
  }

  async function pageOf(who: string, path: string, options?: Parameters<Browser['newContext']>[0]) {
    const page = await (await browserOf(who, options)).newPage()
    const faults = watchPage(page)
    await page.goto(`${cluster.url}${path}`)
    return { page, faults }
  }

  const heading = (page: Page) => page.locator('h1').innerText()
  const status = (page: Page) => page.getByRole('status').innerText()
  const buttonsIn = (page: Page) =>
    page
      .locator('main button')
      .evaluateAll((all) =>
        all.map((button) => (button as unknown as { innerText: string }).innerText.trim()),
      )
  const lastEntry = async (action: string) =>
    (await root.send(`/api/v1/admin/audit?action=${action}`)).json().entries[0]

  /** Every page, and whose it is. */
  const sections = {
    Overview: '/admin',
    Workers: '/admin/workers',
    Users: '/admin/users',
    Limits: '/admin/limits',
    Settings: '/admin/settings',
    Schedules: '/admin/schedules',
    Queues: '/admin/queues',
    Audit: '/admin/audit',
  }
  const ofViewers = ['Overview', 'Workers', 'Schedules', 'Queues']

  for (const role of ['viewer', 'operator', 'admin']) {
    it(`leads a person with the role ${role} by its navigation to the pages of that role, and to no others`, async () => {
      const { page, faults } = await pageOf(role, '/admin')
      const names = await page.locator('nav.second a').allInnerTexts()
      expect(names).to.deep.equal(role === 'admin' ? Object.keys(sections) : ofViewers)
      for (const name of names) {
        await page.locator('nav.second').getByRole('link', { name, exact: true }).click()
        await page.waitForURL(`${cluster.url}${sections[name as keyof typeof sections]}`)
        expect(await heading(page), name).to.equal(name)
      }
      expect(faults).to.deep.equal([])
      for (const [name, path] of Object.entries(sections)) {
        if (names.includes(name)) continue
        expect((await page.goto(`${cluster.url}${path}`))?.status(), path).to.equal(403)
      }
    })
  }

  it('is closed to users, and sends strangers to sign in and back', async () => {
    const { page } = await pageOf('user', '/account')
    expect(await page.getByRole('link', { name: 'Administration' }).count()).to.equal(0)
    for (const path of Object.values(sections)) {
      expect((await page.goto(`${cluster.url}${path}`))?.status(), path).to.equal(403)
    }
    const stranger = await browser.newContext()
    contexts.push(stranger)
    const door = await stranger.newPage()
    await door.goto(`${cluster.url}/admin/workers`)
    await door.locator('#email').fill(admin.email)
    await door.locator('#password').fill(admin.password)
    await door.locator('main form button').click()
    await door.waitForURL(`${cluster.url}/admin/workers`)
  })

  it('shows each role the buttons that it may press, and refuses the others when they are pressed anyway', async () => {
    const buttons = {
      viewer: { '/admin/workers': [], '/admin/schedules': [] },
      operator: { '/admin/workers': [], '/admin/schedules': ['Run now', 'Pause'] },
      admin: {
        '/admin/workers': ['Reload all workers', 'Change the numbers', 'Drain', 'Drain', 'Drain'],
        '/admin/schedules': ['Run now', 'Pause'],
      },
    }
    for (const [role, pages] of Object.entries(buttons)) {
      const { page } = await pageOf(role, '/admin')
      for (const [path, expected] of Object.entries(pages)) {
        await page.goto(`${cluster.url}${path}`)
        expect(await buttonsIn(page), `${role} ${path}`).to.deep.equal(expected)
      }
      if (role === 'admin') continue
      const all = await root.send('/api/v1/admin/workers')
      const forms: Record<string, Record<string, string>> = {
        '/admin/workers/reload': { seen: '0' },
        '/admin/workers/scale': { web: '1', jobs: '0' },
        '/admin/workers/drain': { seen: '0', id: 'web-1' },
        '/admin/users/create': { email: 'new@example.com', name: 'New', 'role.admin': 'on' },
        '/admin/users/change': { user: people.get(role)!.id, name: role, 'role.admin': 'on' },
        '/admin/users/disable': { user: people.get('admin')!.id, confirmed: 'yes' },
        '/admin/users/enable': { user: people.get('user')!.id },
        '/admin/users/password-link': { user: people.get('user')!.id },
        '/admin/users/end-session': { user: people.get('admin')!.id, session: 'x' },
        '/admin/users/end-sessions': { user: people.get('admin')!.id, confirmed: 'yes' },
        '/admin/limits/reset': { policy: 'api', key: 'ip:127.0.0.1', confirmed: 'yes' },
        '/admin/limits/change': { policy: 'api', rule: '1/1m', confirmed: 'yes' },
        '/admin/settings/maintenance': { maintenance: 'on', confirmed: 'yes' },
        '/admin/settings/change': { logLevel: 'trace' },
        '/admin/settings/own': { name: 'x', value: 'y' },
        ...(role === 'viewer'
          ? {
              '/admin/schedules/run': { name: 'prune-audit-nightly' },
              '/admin/schedules/pause': { name: 'prune-audit-nightly' },
              '/admin/schedules/resume': { name: 'prune-audit-nightly' },
            }
          : {}),
      }
      for (const [action, fields] of Object.entries(forms)) {
        expect(await sendForm(page, action, fields), `${role} ${action}`).to.equal(403)
      }
      const exported = await page.context().request.get(`${cluster.url}/admin/audit/export?format=csv`)
      expect(exported.status()).to.equal(403)
      expect((await root.send('/api/v1/admin/workers')).json().workers.length).to.equal(
        all.json().workers.length,
      )
    }
  })

  /** As our own page would send it; gives the status of the answer. */
  async function sendForm(page: Page, action: string, fields: Record<string, string>): Promise<number> {
    await page.goto(`${cluster.url}/account`)
    const [answer] = await Promise.all([
      page.waitForResponse((response) => response.request().method() === 'POST'),
      page.waitForNavigation(),
      page.evaluate(
        `(() => {
          const form = document.createElement('form')
          form.method = 'post'
          form.action = ${JSON.stringify(action)}
          for (const [name, value] of Object.entries(${JSON.stringify(fields)})) {
            form.append(Object.assign(document.createElement('input'), { name, value }))
          }
          document.body.append(form)
          HTMLFormElement.prototype.submit.call(form)
        })()`,
      ),
    ])
    return answer.status()
  }

  it('creates an account, changes it, ends its devices and disables it, and notes each in the audit trail', async () => {
    const name = `<script>alert(1)</script> مرحبا ${'ü'.repeat(60)}`
    const { page, faults } = await pageOf('admin', '/admin/users')
    await page.locator('#email').fill('made@example.com')
    await page.locator('#name').fill(name)
    await page.getByLabel('viewer').check()
    await page.locator('#password').fill('three wooden spoons and a fork')
    recordSecret('three wooden spoons and a fork')
    await page.getByRole('button', { name: 'Create the account' }).click()
    await page.waitForURL(/\/admin\/users\/[\w-]{36}$/)
    expect(await status(page)).to.include('made@example.com')
    expect(await heading(page)).to.equal(name)
    const id = new URL(page.url()).pathname.split('/').at(-1)!

    const device = await signIn(cluster.url, {
      email: 'made@example.com',
      password: 'three wooden spoons and a fork',
      transport: 'token',
    })
    await page.getByLabel('operator').check()
    await page.getByLabel('viewer').uncheck()
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('status').waitFor()
    expect((await device.send('/api/v1/auth/me')).json().user.roles).to.deep.equal(['user', 'operator'])

    await page
      .getByRole('button', { name: /^Sign out (?!all)/ })
      .last()
      .click()
    await page.getByText('Signed out on every worker.').waitFor()
    expect((await device.send('/api/v1/auth/me')).status).to.equal(401)

    await page.getByRole('button', { name: 'Disable' }).click()
    expect(await heading(page)).to.equal('Disable')
    await page.getByRole('button', { name: 'Disable' }).click()
    await page.getByText('made@example.com is disabled').waitFor()
    expect(await page.getByRole('button', { name: 'Enable' }).count()).to.equal(1)
    await eventually(async () => {
      expect(await lastEntry('account-created')).to.include({ subject: id })
      expect(await lastEntry('account-changed')).to.deep.include({
        subject: id,
        details: { roles: ['user', 'operator'], disabled: true },
      })
      expect(await lastEntry('session-ended')).to.include({ subject: id })
    })
    expect(faults).to.deep.equal([])
  })

  it('says what is wrong with a form on its page, and keeps the last administrator', async () => {
    const { page } = await pageOf('admin', `/admin/users/${people.get('admin')!.id}`)
    await page.getByLabel('admin', { exact: true }).uncheck()
    await page.getByRole('button', { name: 'Save' }).click()
    expect(await page.getByRole('alert').innerText()).to.match(/last administrator/)
    expect(new URL(page.url()).pathname).to.equal(`/admin/users/${people.get('admin')!.id}`)
    await page.goto(`${cluster.url}/admin/users`)
    await page.locator('#email').fill('someone@example.com')
    await page.evaluate(`document.getElementById('name').removeAttribute('maxlength')`)
    await page.locator('#name').fill('x'.repeat(1_000))
    await page.getByRole('button', { name: 'Create the account' }).click()
    expect(await page.getByRole('alert').innerText()).to.match(/^name: /)
    const missing = await page.goto(`${cluster.url}/admin/users/nobody`)
    expect(missing?.status()).to.equal(404)
  })

  it('refuses what was pressed after the role was lost while the page was open, and sends to sign in after the session was', async () => {
    const lost = await create('lost', ['user', 'admin'])
    // With scripts the page is covered at once; without them the button can still be pressed.
    const { page } = await pageOf('lost', '/admin/settings', { javaScriptEnabled: false })
    await root.send(`/api/v1/admin/users/${lost.id}`, { method: 'PATCH', body: { roles: ['user'] } })
    const [refused] = await Promise.all([
      page.waitForResponse((response) => response.request().method() === 'POST'),
      page.getByRole('button', { name: 'Change Log level' }).click(),
    ])
    expect(refused.status()).to.equal(403)
    await root.send(`/api/v1/admin/users/${lost.id}`, { method: 'PATCH', body: { roles: ['user', 'admin'] } })
    await page.goto(`${cluster.url}/admin/settings`)
    await root.send(`/api/v1/admin/users/${lost.id}/sessions`, { method: 'DELETE' })
    await page.getByRole('button', { name: 'Change Log level' }).click()
    await page.waitForURL(/\/sign-in\?next=%2Fadmin%2Fsettings/)
  })

  it('reloads all workers while a load runs, shows how far it is, and loses no request', async () => {
    const { page, faults } = await pageOf('admin', '/admin/workers')
    let going = true
    let answered = 0
    const failures: unknown[] = []
    const load = Array.from({ length: 6 }, async () => {
      while (going) {
        await root.send('/api/v1/auth/me').then(
          ({ status }) => (status === 200 ? (answered += 1) : failures.push(status)),
          (fault: unknown) => failures.push(fault),
        )
      }
    })
    const before = cluster.workerPids('web')
    // Pressed twice: one reload all the same.
    await page.getByRole('button', { name: 'Reload all workers' }).dblclick()
    await page.getByText('The reload has begun.').waitFor()
    await page.locator('#operations progress').waitFor()
    await page.locator('#operations .tag', { hasText: 'done' }).waitFor({ timeout: 60_000 })
    going = false
    await Promise.all(load)
    expect(failures).to.deep.equal([])
    expect(answered).to.be.greaterThan(50)
    expect(await page.locator('#operations ul.plain > li').count()).to.equal(1)
    expect(await page.locator('#operations').innerText()).to.match(/3 of 3 replaced/)
    for (const [slot, pid] of cluster.workerPids('web')) expect(pid).not.to.equal(before.get(slot))
    expect(faults).to.deep.equal([])
  })

  it('scales and drains, and says what came of it', async () => {
    const { page } = await pageOf('admin', '/admin/workers')
    await page.getByLabel('Web workers').fill('3')
    await page.getByRole('button', { name: 'Change the numbers' }).click()
    await page.getByText('Begun: 3 web workers and 1 job workers.').waitFor()
    await page.locator('#hosts tr[data-id="web-3"] .tag', { hasText: 'ready' }).waitFor({ timeout: 30_000 })
    await page.getByRole('button', { name: 'Drain web-3' }).click()
    await page.getByText('web-3 ends when its replacement is ready').waitFor()
    await page
      .locator('#operations li', { hasText: 'Drain: web-3' })
      .locator('.tag', { hasText: 'done' })
      .waitFor({ timeout: 60_000 })
    await page.getByLabel('Web workers').fill('2')
    await page.getByRole('button', { name: 'Change the numbers' }).click()
    await page.locator('#hosts tr[data-id="web-3"]').waitFor({ state: 'detached', timeout: 60_000 })
  })

  it('shows fresh numbers without being loaded again', async () => {
    const { page, faults } = await pageOf('viewer', '/admin')
    const up = () => page.locator('tr[data-id="web-1"] td').nth(2).innerText()
    const first = await up()
    await eventually(async () => expect(await up()).not.to.equal(first), 20_000)
    await eventually(async () => expect(await page.locator('svg.spark').count()).to.be.greaterThan(3), 30_000)
    expect(faults).to.deep.equal([])
  })

  it('changes settings and limits on every worker, and asks before what locks people out', async () => {
    const { page } = await pageOf('admin', '/admin/settings')
    const settings = async () => (await root.send('/api/v1/admin/settings')).json()
    await page.locator('#logLevel').selectOption('warn')
    await page.getByRole('button', { name: 'Change Log level' }).click()
    await page.getByText('Every worker follows.').waitFor()
    expect((await settings()).logLevel).to.equal('warn')
    await page.locator('#logLevel').selectOption('')
    await page.getByRole('button', { name: 'Change Log level' }).click()
    await page.getByText('Every worker follows.').waitFor()
    expect((await settings()).overridden).to.deep.equal([])

    await page.getByRole('button', { name: 'Begin maintenance' }).click()
    expect((await settings()).maintenance, 'asked first').to.equal(false)
    await page.getByRole('button', { name: 'Begin maintenance' }).click()
    await page.getByText('Every worker follows.').waitFor()
    expect((await settings()).maintenance).to.equal(true)
    await page.goto(`${cluster.url}/admin`)
    expect(await page.getByRole('alert').innerText()).to.match(/maintenance/)
    await page.goto(`${cluster.url}/admin/settings`)
    await page.getByRole('button', { name: 'End maintenance' }).click()
    await page.getByText('Every worker follows.').waitFor()

    await page.locator('#cacheMode').selectOption('memory')
    await page.getByRole('button', { name: 'Change Sessions in memory' }).click()
    expect(await page.getByRole('alert').innerText()).to.match(/memory is right for one worker only/)

    await page.goto(`${cluster.url}/admin/limits`)
    await page.getByLabel('Rule of login-account').fill('2/1m')
    await page.getByRole('button', { name: 'Change login-account' }).click()
    expect(await heading(page)).to.equal('Set this limit?')
    await page.getByRole('link', { name: 'Cancel' }).click()
    await page.getByLabel('Rule of login-account').fill('20/1m')
    await page.getByRole('button', { name: 'Change login-account' }).click()
    await page.getByText('Every worker follows: login-account is 20/1m.').waitFor()
    await page.getByLabel('Rule of login-account').fill('many')
    await page.getByRole('button', { name: 'Change login-account' }).click()
    expect(await page.getByRole('alert').innerText()).to.match(/such as 1000\/1m/)

    const wrong = { email: 'user@example.com', password: 'not the password' }
    await root.send('/api/v1/auth/login', { method: 'POST', body: wrong })
    await page.getByLabel('Limit', { exact: true }).selectOption('login-account')
    await page.getByLabel('Whose').fill('USER@example.com')
    await page.getByRole('button', { name: 'Look it up' }).click()
    expect(await page.locator('main dl').innerText()).to.match(/Limit\s+20\s+Used\s+1\s/)
    await page.getByRole('button', { name: 'Forget what was used' }).click()
    await page.getByRole('button', { name: 'Forget what was used' }).click()
    await page.getByText('Forgotten on every worker').waitFor()
    await page.getByLabel('Rule of login-account').fill('')
    await page.getByRole('button', { name: 'Change login-account' }).click()
    await page.getByText('Every worker follows: login-account is off.').waitFor()
  })

  it('frames the dashboard of queues in the same navigation, and says by e-mail who asked for a job', async () => {
    await root.send('/api/v1/jobs/echo', { method: 'POST', body: { data: { message: 'framed' } } })
    const { page, faults } = await pageOf('viewer', '/admin/queues/queue/echo?status=completed')
    await page.getByText('"framed"').first().waitFor()
    expect(await page.getByText(`"${admin.email}"`).count()).to.be.greaterThan(0)
    const tabs = page.locator('[class*="statusTabs-"]')
    expect(
      Number(
        await tabs.evaluate((list) => {
          const { scrollWidth, clientWidth } = list as unknown as { scrollWidth: number; clientWidth: number }
          return scrollWidth - clientWidth
        }),
      ),
      'tabs that are cut off',
    ).to.be.at.most(0)
    expect(await page.locator('nav.second a[aria-current]').innerText()).to.equal('Queues')
    await page.locator('nav.second').getByRole('link', { name: 'Schedules' }).click()
    await page.waitForURL(`${cluster.url}/admin/schedules`)
    expect(faults).to.deep.equal([])
    await page.goto(`${cluster.url}/admin/queues`)
    await page.locator('#frame').getByRole('button', { name: 'Sign out' }).click()
    await page.waitForURL(/\/sign-in/)
  })

  it('runs, pauses and resumes a schedule for an operator', async () => {
    const { page } = await pageOf('operator', '/admin/schedules')
    expect(await page.locator('tr[data-id="prune-audit-nightly"] ul time').count()).to.equal(5)
    await page.getByRole('button', { name: 'Run now' }).click()
    await page.getByText('prune-audit-nightly was given a run').waitFor()
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.getByText('is paused on all hosts').waitFor()
    await page.getByRole('button', { name: 'Resume' }).click()
    await page.getByText('runs again from its next tick on').waitFor()
  })

  it('finds one of many accounts, and pages through them', async () => {
    for (let index = 10; index < 70; index += 1) await create(`many${index}`, ['user'])
    const { page } = await pageOf('admin', '/admin/users')
    await page.getByRole('link', { name: 'Next page' }).click()
    expect(await page.locator('tbody tr').count()).to.be.greaterThan(3)
    await page.getByLabel('E-mail address or name').fill('MANY42')
    await page.getByRole('button', { name: 'Search' }).click()
    expect(await page.locator('tbody tr').count()).to.equal(1)
    await page.getByRole('link', { name: 'many42@example.com' }).click()
    expect(await heading(page)).to.equal('many42')
  })

  it('filters the audit trail, and exports what is shown, no text of it as a formula', async () => {
    const formula = await create('formula', ['user'], '=1+1')
    const { page } = await pageOf('admin', '/admin/audit')
    await page.locator('#user').fill(formula.email)
    await page.getByRole('button', { name: 'Show' }).click()
    await eventually(async () => {
      await page.reload()
      expect(await page.locator('tbody tr').count()).to.equal(1)
    })
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'CSV' }).click(),
    ])
    expect(download.suggestedFilename()).to.equal('audit.csv')
    const query = new URLSearchParams({ user: formula.email, format: 'ndjson' }).toString()
    const file = await page.context().request.get(`${cluster.url}/admin/audit/export?${query}`)
    const lines = (await file.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines.map(({ action, subject }) => [action, subject])).to.deep.equal([
      ['account-created', formula.id],
    ])
    await eventually(async () =>
      expect((await lastEntry('audit-exported')).details).to.include({ format: 'ndjson' }),
    )
  })

  it('works without scripts, on every page and with every kind of form', async () => {
    const { page } = await pageOf('admin', '/admin', { javaScriptEnabled: false })
    for (const [name, path] of Object.entries(sections)) {
      if (name === 'Queues') continue
      await page.goto(`${cluster.url}${path}`)
      expect(await heading(page), path).to.equal(name)
    }
    await page.goto(`${cluster.url}/admin/users/${people.get('user')!.id}`)
    await page.getByRole('button', { name: 'Save' }).click()
    expect(await status(page)).to.match(/Saved/)
    await page.reload()
    expect(await page.getByRole('status').count(), 'said once').to.equal(0)
    await page.getByRole('button', { name: 'Disable' }).click()
    await page.getByRole('link', { name: 'Cancel' }).click()
    await page.goto(`${cluster.url}/admin/workers`)
    await page.getByRole('button', { name: 'Drain web-1' }).click()
    expect(await status(page)).to.match(/web-1 ends/)
    await page.getByText('Look again').click()
    await eventually(async () => {
      await page.reload()
      expect(await page.locator('#operations li').first().innerText()).to.match(/Drain: web-1 done/)
    }, 30_000)
  })

  for (const colorScheme of ['light', 'dark'] as const) {
    for (const width of [320, 1_280]) {
      it(`has nothing that axe finds, nothing from elsewhere and nothing cut off, in the ${colorScheme} at ${width} pixels`, async () => {
        const context = await browserOf('admin', { colorScheme, viewport: { width, height: 800 } })
        const page = await context.newPage()
        const faults = watchPage(page)
        const elsewhere: string[] = []
        page.on('request', (request) => {
          if (new URL(request.url()).origin !== cluster.url) elsewhere.push(request.url())
        })
        const paths = [
          ...Object.values(sections),
          '/admin/queues/queue/echo?status=completed',
          `/admin/users/${people.get('user')!.id}`,
          '/admin/limits?policy=api&key=ip%3A127.0.0.1',
          '/docs',
        ]
        for (const path of paths) {
          await page.goto(`${cluster.url}${path}`)
          if (path.startsWith('/admin/queues'))
            await page.locator('#root > header [aria-label="Settings"]').waitFor()
          expect(await accessibilityFaults(page), path).to.deep.equal([])
          const over = await page.evaluate('document.documentElement.scrollWidth - innerWidth')
          expect(Number(over), `${path} is wider than the window`).to.be.at.most(0)
        }
        expect(faults).to.deep.equal([])
        expect(elsewhere).to.deep.equal([])
      })
    }
  }
})
