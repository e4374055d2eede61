/** A real Chromium, as people use it. Installed where it is absent and may be. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chromium, type Browser, type Page } from 'playwright-core'

const executablePath = '/usr/bin/chromium'
const install = 'apt-get update && apt-get install -y --no-install-recommends chromium'

/** The caller closes it. */
export async function launchBrowser(): Promise<Browser> {
  if (!existsSync(executablePath)) installBrowser()
  return chromium.launch({
    executablePath,
    args: [
      // A test may run as root, for whom Chromium's sandbox does not work.
      '--no-sandbox',
      '--disable-gpu',
      // Nothing is to be fetched from outside.
      '--disable-quic',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  })
}

function installBrowser(): void {
  const problem = `the tests need Chromium at ${executablePath}. Install it: ${install}`
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) throw new Error(problem)
  try {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    execFileSync('/bin/sh', ['-c', install], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  } catch (cause) {
    throw new Error(problem, { cause })
  }
}

/** What goes wrong on a page from now on: errors in its console, refusals by its policy among them, and lost files. */
export function watchPage(page: Page): readonly string[] {
  const faults: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(`error: ${message.text()}`)
  })
  page.on('pageerror', (fault) => faults.push(`uncaught: ${fault.message}`))
  page.on('requestfailed', (request) => {
    // The page was left before the answer came.
    if (request.failure()?.errorText === 'net::ERR_ABORTED') return
    faults.push(`failed: ${request.url()} (${request.failure()?.errorText})`)
  })
  return faults
}
