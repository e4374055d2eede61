import type { AppMiddleware } from '../../../shared/app/context.ts'
import { problem } from '../../../shared/app/problem.ts'

/** The grammar of RFC 9110, section 7.2: a name, or an address in brackets, and a port. */
const wellFormedHost = /^(\[[\da-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(:\d*)?$/i

/**
 * Refuses a request in which a header that decides something is there twice, or Host is missing or names no host. Of
 * two, Node silently takes the first one; a proxy in front of us may have checked the other. And a path with a fragment,
 * which no client may send: some readers leave it out, to others it is a part of the path.
 */
export function refuseMalformed(): AppMiddleware {
  /** Nearly every request names the same one. */
  let lastHost = ''

  return function refuseAmbiguousHeaders(ctx, next) {
    const { rawHeaders, httpVersion, url } = ctx.req
    if (url?.includes('#')) throw problem('malformed-request', 'the path must not contain a fragment (#)')
    const { host } = ctx.req.headers
    const twice = repeatedHeader(rawHeaders)
    if (twice !== null) throw problem('malformed-request', `the header ${twice} was sent more than once`)
    if (host === undefined && httpVersion !== '1.0') {
      throw problem('malformed-request', 'the header host is missing')
    }
    if (host !== undefined && host !== lastHost) {
      if (!wellFormedHost.test(host)) throw problem('malformed-request', 'the header host names no host')
      lastHost = host
    }
    return next()
  }
}

const single = new Set([
  'host',
  'origin',
  'content-type',
  'authorization',
  'sec-fetch-site',
  'content-encoding',
])
// Most headers of a request are none of these, and most of those are told apart by their length alone.
const lengths = new Set([...single].map((name) => name.length))

function repeatedHeader(rawHeaders: readonly string[]): string | null {
  let seen = ''
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const raw = rawHeaders[index] as string
    if (!lengths.has(raw.length)) continue
    const name = raw.toLowerCase()
    if (!single.has(name)) continue
    if (seen.includes(`${name},`)) return name
    seen += `${name},`
  }
  return null
}
