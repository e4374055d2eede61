import { expect } from 'chai'
import fc from 'fast-check'
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { clientAddress, isSecure, requestOrigin } from '../../server/http/forwarded.ts'
import { JsonFault, parseStrictJson } from '../../server/http/strict-json.ts'
import { readCookie } from '../../server/web/features/auth/session-cookie.ts'
import { localPath, relativeTo } from '../../server/web/features/pages/local-path.ts'
import { Problem } from '../../shared/app/problem.ts'
import { effort, hostileTexts, long } from './effort.ts'

/** Any text, often with what has a meaning in the grammar under attack. */
function texts(...meaningful: string[]) {
  const piece = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...meaningful) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 8 }) },
    { weight: 1, arbitrary: fc.constantFrom(...hostileTexts.filter((text) => text.length < 100)) },
  )
  return fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(''))
}

describe('Fuzzing what reads requests', function () {
  this.timeout(long ? 600_000 : 60_000)

  describe('the strict JSON reader', () => {
    const json = fc.oneof(
      texts('{', '}', '[', ']', '"', ':', ',', '\\', '\\u', '"a"', '1', 'null', '__proto__', ' ', '\n'),
      fc.json({ maxDepth: 6 }),
      fc.tuple(fc.json(), fc.json()).map(([one, other]) => `{"a":${one},"a":${other}}`),
    )

    it('takes nothing that JSON.parse does not, gives the same value, and fails in its own words', () => {
      fc.assert(
        fc.property(json, (text) => {
          let taken: unknown
          try {
            taken = parseStrictJson(text)
          } catch (fault) {
            expect(fault).to.be.an.instanceof(JsonFault)
            return
          }
          expect(taken).to.deep.equal(JSON.parse(text))
          // Whoever takes the first of two keys must read the same as we do.
          const keys: string[] = []
          JSON.parse(text, function (this: unknown, key: string, value: unknown) {
            if (typeof this === 'object' && !Array.isArray(this)) keys.push(key)
            return value
          })
          expect(keys).to.not.include('__proto__')
        }),
        effort(2_000),
      )
    })

    it('refuses every key that is written twice, however it is escaped', () => {
      const key = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 5 })
      fc.assert(
        fc.property(key, fc.jsonValue(), fc.jsonValue(), (name, one, other) => {
          const plain = JSON.stringify(name)
          const escaped = `"${[...Array(name.length).keys()]
            .map((index) => `\\u${name.charCodeAt(index).toString(16).padStart(4, '0')}`)
            .join('')}"`
          for (const second of [plain, escaped]) {
            const text = `{${plain}:${JSON.stringify(one)},${second}:${JSON.stringify(other)}}`
            expect(() => parseStrictJson(text)).to.throw(JsonFault)
          }
        }),
        effort(500),
      )
    })
  })

  it('the cookie reader finds a session cookie where it is and nowhere else', () => {
    const noise = fc.array(texts('a=b', 'sid2=x', 'xsid=y', ' ', '=', 'SID=z', '"sid=q"').map(withoutSid))
    fc.assert(
      fc.property(noise, noise, fc.stringMatching(/^[\w-]{1,50}$/), (before, after, value) => {
        const cookies = [...before, ...after].join(';')
        expect(readCookie(cookies, 'sid')).to.equal(null)
        const header = [...before, `sid=${value}`, ...after].join(';')
        expect(readCookie(header, 'sid')).to.equal(value)
        expect(readCookie(`${header}; sid=${value}`, 'sid')).to.equal(value)
        expect(() => readCookie(`${header}; sid=${value}x`, 'sid')).to.throw(Problem)
      }),
      effort(1_000),
    )
  })

  it('the cookie reader bears any header', () => {
    fc.assert(
      fc.property(texts('sid', '=', ';', ' ', ',', '__Host-sid', '"'), (header) => {
        try {
          const found = readCookie(header, 'sid')
          if (found !== null) expect(header).to.include(found)
        } catch (fault) {
          expect(fault).to.be.an.instanceof(Problem)
        }
      }),
      effort(2_000),
    )
  })

  it('whatever a client forwards, its address is an address, and a trusted proxy has the last word', () => {
    const part = texts('1.2.3.4', '::1', '[::1]:80', ',', ' ', 'unknown', '_hidden', ':', '%eth0', '"')
    fc.assert(
      fc.property(part, part, part, fc.integer({ min: 0, max: 4 }), (address, host, proto, hops) => {
        const req = requestWith({
          'x-forwarded-for': address,
          'x-forwarded-host': host,
          'x-forwarded-proto': proto,
        })
        const found = clientAddress(req, hops)
        expect(isIP(found ?? '')).to.be.greaterThan(0)
        if (hops === 0) {
          expect(found).to.equal('192.0.2.1')
          expect(isSecure(req, hops)).to.equal(false)
        }
        const origin = requestOrigin(req, hops)
        if (origin !== null) expect(new URL(origin).origin).to.equal(origin)
        const behind = requestWith({ 'x-forwarded-for': `${address}, 203.0.113.9` })
        expect(clientAddress(behind, 1)).to.equal('203.0.113.9')
      }),
      effort(1_000),
    )
  })

  it('no `next` leads to another site, however it is written', () => {
    const next = texts(
      '/',
      '//',
      '\\',
      '.',
      '..',
      '@',
      ':',
      'https:',
      'evil.example',
      '%2f',
      '%5c',
      '\t',
      '?',
      '#',
    )
    const site = 'https://site.example'
    fc.assert(
      fc.property(next, fc.constantFrom('/sign-in', '/a/b/c', '/'), (text, page) => {
        for (const candidate of [text, `/${text}`]) {
          const path = localPath(candidate)
          if (path === null) continue
          expect(new URL(path, site).origin).to.equal(site)
          // As the redirect says it, from the page that says it.
          expect(new URL(relativeTo(page, path), `${site}${page}`).origin).to.equal(site)
        }
      }),
      effort(3_000),
    )
  })
})

function withoutSid(text: string): string {
  return text.replaceAll(';', '').replace(/^\s*sid\s*=/, 'other=')
}

function requestWith(headers: Record<string, string>): IncomingMessage {
  return {
    headers: { host: 'x', ...headers },
    socket: { remoteAddress: '192.0.2.1' },
  } as unknown as IncomingMessage
}
