import { expect } from 'chai'
import type { AppContext } from '../../shared/app/context.ts'
import { refuseMalformed } from '../../server/web/pipeline/refuse-malformed.ts'

function look(rawHeaders: string[], headers: object = { host: 'a' }, httpVersion = '1.1'): void {
  const req = { rawHeaders, headers, httpVersion }
  void refuseMalformed()({ req } as unknown as AppContext, async () => {})
}

describe('A header that decides something', () => {
  for (const name of [
    'Host',
    'Origin',
    'Content-Type',
    'Authorization',
    'Sec-Fetch-Site',
    'Content-Encoding',
  ]) {
    it(`is refused when it is there twice: ${name}`, () => {
      expect(() => look([name, 'a', 'X-Other', 'b', name.toUpperCase(), 'c']))
        .to.throw(name.toLowerCase())
        .with.property('status', 400)
    })
  }

  it('is fine once, with any others as often as they like', () => {
    expect(() =>
      look(['Host', 'a', 'Origin', 'b', 'Cookie', 'c', 'Cookie', 'd', 'X-Forwarded-For', 'e']),
    ).not.to.throw()
    expect(() => look(['Accept', 'Host', 'Cookie', 'Origin', 'Host', 'Host'])).not.to.throw()
    expect(() => look([])).not.to.throw()
  })

  it('is refused when it is Host and missing, but not by HTTP/1.0', () => {
    expect(() => look([], {}))
      .to.throw('host is missing')
      .with.property('status', 400)
    expect(() => look([], {}, '1.0')).not.to.throw()
  })

  for (const host of ['a b', 'a<b>', 'a/b', 'user@a', 'a:80:80', 'a:port', '[::1', '::1', 'a\u00e9'])
    it(`is refused when it is Host and names no host: ${host}`, () => {
      expect(() => look([], { host }))
        .to.throw('host names no host')
        .with.property('status', 400)
    })

  for (const host of [
    'localhost',
    'a.example:3000',
    '127.0.0.1:80',
    '[::1]:3000',
    'xn--bcher-kva.example',
    'a_b',
    '',
  ])
    it(`is fine when it is Host and may name one: ${host}`, () => {
      expect(() => look([], { host })).not.to.throw()
    })
})
