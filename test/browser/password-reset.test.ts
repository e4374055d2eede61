import { expect } from 'chai'
import type { Browser, Page } from 'playwright-core'
import { launchBrowser, watchPage } from '../support/browser.ts'
import { startCluster, withoutLimits, type TestCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { signIn } from '../support/http.ts'
import { resetTokenFor } from '../support/mailbox.ts'
import { recordSecret } from '../support/run-records.ts'
import { createUsers, type TestUser } from '../support/users.ts'

describe('Setting a forgotten password with a browser', function () {
  this.timeout(60_000)
  let cluster: TestCluster
  let browser: Browser
  let page: Page
  let faults: readonly string[]
  let user: TestUser

  before(async function () {
    this.timeout(300_000)
    browser = await launchBrowser()
    cluster = await startCluster({ workers: 1, jobWorkers: 1, env: withoutLimits })
    user = await (await createUsers(cluster)).register()
    page = await browser.newPage()
    faults = watchPage(page)
  })
  after(async () => {
    await browser?.close()
    await cluster?.stop()
  })

  it('goes from the sign-in page over the mail to the sign-in page', async () => {
    const { email, password } = user.credentials
    const before = await signIn(cluster.url, user.credentials)
    await page.goto(`${cluster.url}/sign-in`)
    await page.getByRole('link', { name: 'Forgot your password?' }).click()
    await page.getByLabel('E-mail address').fill(email)
    await page.getByRole('button', { name: 'Send me a link' }).click()
    await page.getByText('a mail is on its way').waitFor()

    const token = await eventually(() => resetTokenFor(email, cluster), 20_000)
    recordSecret(token)
    await page.goto('about:blank')
    await page.goto(`${cluster.url}/reset#token=${token}`)
    expect(page.url(), 'the token is not kept in the history').to.equal(`${cluster.url}/reset`)
    await page.getByLabel('New password').fill('password')
    await page.getByRole('button', { name: 'Set the password' }).click()
    await page.getByRole('alert').waitFor()

    const newPassword = `${password}, and longer`
    recordSecret(newPassword)
    await page.getByLabel('New password').fill(newPassword)
    await page.getByRole('button', { name: 'Set the password' }).click()
    await page.getByText('Your password is set.').waitFor()
    expect((await before.send('/api/v1/auth/me')).status, 'an old session').to.equal(401)

    await page.locator('main').getByRole('link', { name: 'Sign in' }).click()
    await page.getByLabel('E-mail address').fill(email)
    await page.getByLabel('Password').fill(newPassword)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('You are signed in as').waitFor()
    // The browser itself tells of the answer to the password that was too common.
    expect(faults.filter((fault) => !fault.includes('status of 422'))).to.deep.equal([])
  })
})
