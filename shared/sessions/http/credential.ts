/** What follows `Bearer`, or null for other schemes, which are another's business (a proxy's, say). */
export function bearerToken(authorization: string | undefined): string | null {
  if (authorization === undefined || !/^bearer(?:$| )/i.test(authorization)) return null
  return authorization.slice(6).trim()
}

const longestUserAgent = 256

/** What the client calls itself: printable, and no longer than helps to recognise a device. */
export function shownUserAgent(userAgent: string | undefined): string | null {
  const text = userAgent?.replace(/[^\x20-\x7e]/g, '').slice(0, longestUserAgent)
  return text === undefined || text === '' ? null : text
}
