import { expect } from 'chai'
import type { AppContext } from '../../shared/app/context.ts'
import { refuseCrossSite } from '../../server/web/pipeline/refuse-cross-site.ts'

type Outcome = 'passes' | 'is refused'

function outcomeOf(
  method: string,
  credential: 'cookie' | 'bearer' | null,
  headers: Record<string, string>,
): Outcome {
  const check = refuseCrossSite({ trustProxy: 0, publicOrigin: 'https://www.example.com' })
  const req = { method, headers: { host: 'app.test:3000', ...headers }, socket: {} }
  let passed = false
  try {
    void check({ req, state: { credential } } as unknown as AppContext, async () => {
      passed = true
    })
  } catch (fault) {
    expect(fault).to.include({ status: 403, type: 'csrf' })
  }
  return passed ? 'passes' : 'is refused'
}

describe('A request with the session cookie that changes something', () => {
  const cases: [headers: Record<string, string>, outcome: Outcome][] = [
    [{ 'sec-fetch-site': 'same-origin' }, 'passes'],
    [{ 'sec-fetch-site': 'same-site' }, 'is refused'],
    [{ 'sec-fetch-site': 'cross-site' }, 'is refused'],
    [{ 'sec-fetch-site': 'none' }, 'is refused'],
    [{ 'sec-fetch-site': '' }, 'is refused'],
    [{ 'sec-fetch-site': 'same-origin, cross-site' }, 'is refused'],
    [{ 'sec-fetch-site': 'cross-site', origin: 'http://app.test:3000' }, 'is refused'],
    [{ origin: 'http://app.test:3000' }, 'passes'],
    [{ origin: 'https://www.example.com' }, 'passes'],
    [{ origin: 'https://app.test:3000' }, 'is refused'],
    [{ origin: 'http://app.test' }, 'is refused'],
    [{ origin: 'http://app.test:3000.evil.test' }, 'is refused'],
    [{ origin: 'null' }, 'is refused'],
    [{ origin: '' }, 'is refused'],
    [{}, 'is refused'],
    [{ referer: 'http://app.test:3000/' }, 'is refused'],
    [{ host: 'evil.test', origin: 'null' }, 'is refused'],
    [{ 'x-forwarded-host': 'evil.test', origin: 'http://evil.test' }, 'is refused'],
  ]
  for (const [headers, outcome] of cases) {
    it(`${outcome} with ${JSON.stringify(headers)}`, () => {
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
        expect(outcomeOf(method, 'cookie', headers)).to.equal(outcome)
      }
    })
  }

  it('is told what to send when it says neither where it comes from', () => {
    const check = refuseCrossSite({ trustProxy: 0, publicOrigin: null })
    const ctx = { req: { method: 'POST', headers: {} }, state: { credential: 'cookie' } }
    expect(() => check(ctx as unknown as AppContext, async () => {})).to.throw(/Sec-Fetch-Site: same-origin/)
  })
})

describe('A request from another site', () => {
  it('passes with a Bearer token, which no browser adds by itself', () => {
    expect(outcomeOf('POST', 'bearer', { 'sec-fetch-site': 'cross-site' })).to.equal('passes')
  })

  it('passes without any credential, and when it only reads', () => {
    expect(outcomeOf('POST', null, { 'sec-fetch-site': 'cross-site' })).to.equal('passes')
    for (const method of ['GET', 'HEAD', 'OPTIONS']) {
      expect(outcomeOf(method, 'cookie', { 'sec-fetch-site': 'cross-site' })).to.equal('passes')
    }
  })
})
