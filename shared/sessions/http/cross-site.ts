/**
 * Whether another site made a browser send this. Browsers say where a request comes from in Sec-Fetch-Site, which no
 * script can set; older ones in Origin. Only requests that change something, with what browsers add by themselves (the
 * cookie), are to be asked: Bearer tokens are not added by browsers.
 */
import type { IncomingMessage } from 'node:http'

export type CrossSite = 'foreign-site' | 'foreign-origin' | 'unknown'

export function changesSomething(method: string | undefined): boolean {
  return method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS'
}

/** Null: it comes from one of our own pages. `isOwn` is asked about an Origin. `unknown`: it may be an old browser. */
export function crossSite(
  { headers }: Pick<IncomingMessage, 'headers'>,
  isOwn: (origin: string) => boolean,
): CrossSite | null {
  const { origin, 'sec-fetch-site': site } = headers
  if (site === 'same-origin') return null
  if (site !== undefined) return 'foreign-site'
  if (origin === undefined) return 'unknown'
  return isOwn(origin) ? null : 'foreign-origin'
}
