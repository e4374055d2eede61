import { createServer, request, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { UnrecoverableError } from 'bullmq'
import { expect } from 'chai'
import { pino } from 'pino'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { z } from 'zod'
import { deploymentKeys } from '../../shared/deployment/deployment-keys.ts'
import { deadlineIn, group, type Service } from '../../shared/kernel/lifecycle.ts'
import { createJobWorkers } from '../../shared/queues/job-workers.ts'
import { defineJob } from '../../shared/queues/job.ts'
import { createQueues, type Queues } from '../../shared/queues/queues.ts'
import { openRedis, redisService } from '../../shared/kernel/redis/connections.ts'
import { launchBrowser, watchPage } from '../support/browser.ts'
import { admin, startCluster, withoutLimits, type TestCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { signIn, type Credentials, type SignedIn } from '../support/http.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

describe('The dashboard in a real browser', function () {
  this.timeout(60_000)
  let redis: TestRedis
  let cluster: TestCluster
  let browser: Browser
  let administrator: SignedIn
  let queues: Queues
  let services: Service
  let context: BrowserContext
  let page: Page
  let faults: readonly string[]
  let failing = true

  /** Stands in for the server's own, with an error that it has overcome when it is tried again. */
  const echo = defineJob({
    name: 'echo',
    payload: z.strictObject({ message: z.string() }),
    async handler({ data }) {
      if (failing) throw new UnrecoverableError(`no answer to ${data.message}`)
      return data
    },
  })
  const viewer = { email: 'viewer@example.com', password: 'viewers look and never touch' }

  before(async function () {
    this.timeout(300_000)
    browser = await launchBrowser()
    redis = await startRedis()
    cluster = await startCluster({ redisUrl: redis.url, env: { ...withoutLimits, APP_NAME: 'shop' } })
    const connection = openRedis({ kind: 'single', url: redis.url }, 'commands')
    const { queues: prefix } = deploymentKeys('shop')
    queues = createQueues({ redis: connection, jobs: [echo], prefix })
    const workers = createJobWorkers({
      connect: () => openRedis({ kind: 'single', url: redis.url }, 'blocking'),
      queues,
      prefix,
      jobs: [echo],
      services: undefined,
      log: pino({ level: 'silent' }),
    })
    services = group([redisService(connection), queues, workers])
    await services.start()
    administrator = await signIn(cluster.url, { ...admin, transport: 'token' })
    const body = { ...viewer, name: 'Vera', roles: ['viewer'] }
    await administrator.send('/api/v1/admin/users', { method: 'POST', body })
  })
  beforeEach(async () => {
    failing = true
    context = await browser.newContext({ locale: 'en-US' })
    page = await context.newPage()
    faults = watchPage(page)
  })
  afterEach(() => context.close())
  after(async () => {
    await browser?.close()
    await services?.stop(deadlineIn(2_000))
    await cluster?.stop()
    await redis?.stop()
  })

  /** Opens the dashboard as somebody who has to sign in first. */
  async function enter({ email, password }: Credentials, url = `${cluster.url}/admin/queues`): Promise<void> {
    await page.goto(url)
    expect(new URL(page.url()).pathname).to.match(/\/sign-in$/)
    await page.getByLabel('E-mail address').fill(email)
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.waitForURL(url)
  }

  async function failedJob(message: string): Promise<string> {
    const { id } = await queues.enqueue(echo, { message })
    await eventually(async () => expect((await queues.find('echo', id))?.state).to.equal('failed'))
    return id
  }

  /** A button of a job, by its picture: it has no words. */
  const jobButton = (picture: 'refresh-cw' | 'files' | 'pencil' | 'trash-2') =>
    page.locator(`[class*="jobActions"] button:has(svg.lucide-${picture})`)

  it('shows a failed job to its operator, who retries it, without an error on the page', async () => {
    const id = await failedJob('a first call')
    await enter(admin)
    await page.getByRole('link', { name: 'echo' }).first().click()
    await page.getByRole('link', { name: /^failed/i }).click()
    await page.getByText('no answer to a first call').first().waitFor()
    failing = false
    await jobButton('refresh-cw').first().click()
    await page.getByRole('button', { name: 'Confirm' }).click()
    await eventually(async () => expect((await queues.find('echo', id))?.state).to.equal('completed'))
    await page.getByRole('link', { name: /^completed/i }).click()
    await page.getByRole('link', { name: `#${id}` }).waitFor()
    expect(faults).to.deep.equal([])
    await eventually(async () => {
      const trail = await administrator.send('/api/v1/admin/audit?action=queue-action')
      expect(trail.json().entries[0]).to.include({ subject: `echo/${id}` })
    })
  })

  it('lets its operator copy a job in the editor, and takes it as the job allows', async () => {
    await failedJob('to be copied')
    await enter(admin, `${cluster.url}/admin/queues/queue/echo?status=failed`)
    failing = false
    await jobButton('files').first().click()
    await page.getByText('"to be copied"').waitFor()
    const before = (await queues.measure())['echo']?.completed ?? 0
    await page.getByRole('button', { name: 'Duplicate' }).click()
    await eventually(async () => expect((await queues.measure())['echo']?.completed).to.equal(before + 1))
    expect(faults).to.deep.equal([])
  })

  it('shows a viewer the same, without the buttons', async () => {
    await failedJob('to be seen')
    await enter(viewer, `${cluster.url}/admin/queues/queue/echo?status=failed`)
    await page.getByText('no answer to to be seen').first().waitFor()
    for (const picture of ['refresh-cw', 'files', 'pencil', 'trash-2'] as const) {
      expect(await jobButton(picture).count(), picture).to.equal(0)
    }
    expect(await page.getByRole('button', { name: 'Retry all' }).count()).to.equal(0)
    expect(faults).to.deep.equal([])
  })

  it('leads to the sign-in page at its next look after a logout elsewhere, and back', async () => {
    await enter(viewer)
    await page.getByRole('link', { name: 'mail' }).first().click()
    const elsewhere = await signIn(cluster.url, { ...viewer, transport: 'token' })
    await elsewhere.send('/api/v1/auth/logout-all', { method: 'POST' })
    await page.waitForURL('**/sign-in?next=**')
    await page.getByLabel('E-mail address').fill(viewer.email)
    await page.getByLabel('Password').fill(viewer.password)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.waitForURL('**/admin/queues/queue/mail')
  })

  it('works under the path of a proxy, from signing in to signing out', async () => {
    const proxy = stripPrefix('/tools', cluster.url)
    proxy.listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    const outside = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/tools`
    await enter(viewer, `${outside}/admin/queues/queue/echo`)
    await page.getByRole('link', { name: 'mail' }).first().click()
    await page.waitForURL(`${outside}/admin/queues/queue/mail`)
    await page.reload()
    await page.getByRole('link', { name: 'echo' }).first().waitFor()
    expect(faults).to.deep.equal([])
    await page.goto(`${outside}/sign-in`)
    await page.locator('#main').getByRole('button', { name: 'Sign out' }).click()
    await page.getByText('You have signed out.').waitFor()
    expect(page.url()).to.match(/\/tools\/sign-in\?out=/)
    await context.close()
    proxy.closeAllConnections()
    proxy.close()
  })

  it('lets people sign in without scripts', async () => {
    await context.close()
    context = await browser.newContext({ javaScriptEnabled: false })
    page = await context.newPage()
    await page.goto(`${cluster.url}/sign-in`)
    await page.locator('input[name="email"]:focus').waitFor()
    await page.keyboard.type(viewer.email)
    await page.keyboard.press('Tab')
    await page.keyboard.type('not the password')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').waitFor()
    // The page is there a moment before the field has the focus; what is typed by then goes nowhere.
    await page.locator('input[name="password"]:focus').waitFor()
    await page.keyboard.type(viewer.password)
    await page.keyboard.press('Enter')
    await page.getByText('You are signed in as Vera').waitFor()
  })
})

/** A proxy that puts the server under a path of its own. */
function stripPrefix(prefix: string, target: string): Server {
  return createServer((incoming, outgoing) => {
    const path = incoming.url?.startsWith(`${prefix}/`) ? incoming.url.slice(prefix.length) : '/outside'
    const { method, headers } = incoming
    const forwarded = request(new URL(path, target), { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    forwarded.on('error', () => outgoing.destroy())
    incoming.pipe(forwarded)
  })
}
