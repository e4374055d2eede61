/** Our pages in a browser: getting in, and finding them all by their navigation. */
import axe from 'axe-core'
import type { BrowserContext, Page } from 'playwright-core'
import type { Credentials } from './http.ts'

/** Signs in on the page to sign in, as a person does. */
export async function signInWith(
  context: BrowserContext,
  url: string,
  { email, password }: Pick<Credentials, 'email' | 'password'>,
): Promise<void> {
  const page = await context.newPage()
  await page.goto(`${url}/sign-in`)
  await page.locator('#email').fill(email)
  await page.locator('#password').fill(password)
  await page.locator('main form button').click()
  await page.waitForURL(`${url}/account`)
  await page.close()
}

/** The paths of all pages that the navigation leads to, that of the administration too. */
export async function pagesOfNavigation(context: BrowserContext, url: string): Promise<string[]> {
  const found = new Set<string>(['/'])
  const page = await context.newPage()
  const look = async (path: string) => {
    await page.goto(`${url}${path}`)
    const links = await page
      .locator('body > header nav a')
      .evaluateAll((all) => all.map((link) => new URL((link as unknown as { href: string }).href).pathname))
    const fresh = links.filter((link) => !found.has(link))
    fresh.forEach((link) => found.add(link))
    return fresh
  }
  for (const path of await look('/')) if (path.startsWith('/admin')) await look(path)
  await page.close()
  return [...found]
}

/** What axe finds wrong with the page as it is now, in words. */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  const { violations } = (await page.evaluate(
    'axe.run(document, { resultTypes: ["violations"] })',
  )) as axe.AxeResults
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id} at ${target.join(' ')}: ${failureSummary ?? ''}`),
  )
}
