import Bowser from 'bowser'
import type { Texts } from '../../../../shared/locales/locales.ts'

const longestName = 60

/** The browser and the system of a device in words, as far as it says so; a program by its own name. */
export function describeDevice(userAgent: string | null, { account: { devices } }: Texts): string {
  if (userAgent === null || userAgent.trim() === '') return devices.unknown
  const { browser, os } = Bowser.parse(userAgent)
  const name = browser.name || productOf(userAgent)
  if (name === null) return devices.unknown
  return os.name ? devices.on(name, os.name) : name
}

/** What comes first, such as `curl` of `curl/8.5.0`: any text that the client sent, so not much of it. */
function productOf(userAgent: string): string | null {
  const [product = ''] = userAgent.split(/[/\s(]/)
  return product === '' ? null : [...product].slice(0, longestName).join('')
}
