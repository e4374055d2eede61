import { expect } from 'chai'
import fc from 'fast-check'
import { readCookie } from '../../server/web/features/auth/session-cookie.ts'
import { sessionCookieName } from '../../shared/sessions/index.ts'

describe('The session cookie', () => {
  const cases: [header: string | undefined, value: string | null][] = [
    [undefined, null],
    ['', null],
    ['sid=abc', 'abc'],
    ['a=b; sid=abc; c=d', 'abc'],
    ['a=b;sid=abc;c=d', 'abc'],
    ['  sid = abc ', 'abc'],
    ['sid=abc; sid=abc', 'abc'],
    ['sid=', ''],
    ['sid', null],
    ['xsid=abc', null],
    ['sidx=abc', null],
    ['__Host-sid=abc', null],
    ['other="; sid=abc', 'abc'],
    ['sid=a=b', 'a=b'],
    ['SID=abc', null],
  ]
  for (const [header, value] of cases) {
    it(`is ${JSON.stringify(value)} in ${JSON.stringify(header)}`, () => {
      expect(readCookie(header, 'sid')).to.equal(value)
    })
  }

  it('is refused when it was sent twice with different values', () => {
    expect(() => readCookie('sid=a; sid=b', 'sid'))
      .to.throw('sent twice')
      .with.property('status', 400)
  })

  it('has the __Host- prefix over TLS, and only there', () => {
    expect(sessionCookieName(true)).to.equal('__Host-sid')
    expect(sessionCookieName(false)).to.equal('sid')
  })

  it('is found among any other cookies, and any header is either read or refused with a 400', () => {
    const word = fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/)
    fc.assert(
      fc.property(fc.array(fc.tuple(word, word)), word, (others, token) => {
        const pairs = others.filter(([name]) => name !== 'sid').map(([name, value]) => `${name}=${value}`)
        expect(readCookie([...pairs, `sid=${token}`].join('; '), 'sid')).to.equal(token)
      }),
    )
    fc.assert(
      fc.property(fc.string(), (header) => {
        try {
          const value = readCookie(header, 'sid')
          expect(value === null || header.includes(value)).to.equal(true)
        } catch (fault) {
          expect(fault).to.have.property('status', 400)
        }
      }),
    )
  })
})
