/**
 * `npm run screenshots`: every page of the navigation and what leads to it, at two widths, light and dark, as files in
 * `screenshots/` for a person to look at. Says nothing of right or wrong itself.
 */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser, BrowserContext } from 'playwright-core'
import { launchBrowser } from '../support/browser.ts'
import { admin, startCluster, withoutLimits, type TestCluster } from '../support/cluster.ts'
import { createUsers } from '../support/users.ts'
import { pagesOfNavigation, signInWith } from '../support/pages.ts'

const directory = join(import.meta.dirname, '..', '..', 'screenshots')
const sizes = { phone: { width: 360, height: 740 }, desktop: { width: 1_280, height: 800 } }
const strangersPages = [
  '/',
  '/sign-in',
  '/reset',
  '/nothing-here',

  '/invitation',
  '/verify-email',
  '/register',
]
const peoplesPages = ['/', '/account', '/sign-in']

describe('Screenshots', function () {
  this.timeout(300_000)
  let cluster: TestCluster
  let browser: Browser

  before(async () => {
    browser = await launchBrowser()
    const env = { ...withoutLimits, APP_NAME: 'shop', REGISTRATION: 'on' }
    cluster = await startCluster({ workers: 2, jobWorkers: 1, env })
    await rm(directory, { recursive: true, force: true })
    await mkdir(directory, { recursive: true })
  })
  after(async () => {
    await browser?.close()
    await cluster?.stop()
  })

  async function take(context: BrowserContext, path: string, name: string): Promise<void> {
    const page = await context.newPage()
    await page.goto(`${cluster.url}${path}`)
    await page.waitForTimeout(300)
    const file = path === '/' ? 'start' : path.slice(1).replaceAll(/[^\w-]+/g, '-')
    await page.screenshot({ path: join(directory, `${file}.${name}.png`), fullPage: true })
    await page.close()
  }

  it('are written', async () => {
    const { register } = await createUsers(cluster)
    const users = [await register(), await register()]
    for (const [size, viewport] of Object.entries(sizes)) {
      for (const colorScheme of ['light', 'dark'] as const) {
        const open = (locale = 'en-GB') => browser.newContext({ viewport, colorScheme, locale })
        const stranger = await open()
        for (const path of strangersPages) await take(stranger, path, `stranger.${size}.${colorScheme}`)
        const person = await open('de-DE')
        await signInWith(person, cluster.url, users[0]!.credentials)
        for (const path of peoplesPages) await take(person, path, `user-de.${size}.${colorScheme}`)
        const administrator = await open()
        await signInWith(administrator, cluster.url, admin)
        for (const path of await pagesOfNavigation(administrator, cluster.url)) {
          await take(administrator, path, `admin.${size}.${colorScheme}`)
        }
        await Promise.all([stranger.close(), person.close(), administrator.close()])
      }
    }
  })
})
