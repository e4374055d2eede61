import type { AppContext } from '../../../../shared/app/context.ts'
import { html, type Html } from '../../../../shared/app/html.ts'
import { localeOf } from './locale.ts'

const formats = new Map<string, Intl.DateTimeFormat>()

/** A moment in UTC; the script `assetPaths.times`, where the page has it, makes it that of the reader's clock. */
export function timeOf(ctx: AppContext, milliseconds: number): Html {
  const moment = new Date(milliseconds)
  return html`<time datetime="${moment.toISOString()}">${formatOf(localeOf(ctx)).format(moment)} UTC</time>`
}

function formatOf(locale: string): Intl.DateTimeFormat {
  const known = formats.get(locale)
  if (known !== undefined) return known
  const format = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' })
  formats.set(locale, format)
  return format
}
