import { expect } from 'chai'
import type { IncomingMessage } from 'node:http'
import { clientAddress, isSecure, requestOrigin } from '../../server/http/forwarded.ts'

function request(headers: Record<string, string>, remoteAddress?: string, encrypted = false) {
  return { headers, socket: { remoteAddress, encrypted } } as unknown as IncomingMessage
}

describe('The address of a client', () => {
  const socket = '10.0.0.9'
  const cases: [what: string, hops: number, forwardedFor: string | null, address: string][] = [
    ['is that of the connection when no proxy is trusted', 0, '203.0.113.7', socket],
    ['is that of the connection when nothing was forwarded', 1, null, socket],
    ['is what the one trusted proxy wrote', 1, '203.0.113.7', '203.0.113.7'],
    ['ignores what the client wrote in front of it', 1, '1.1.1.1, 2.2.2.2, 203.0.113.7', '203.0.113.7'],
    ['is the second from the right behind two proxies', 2, '1.1.1.1, 203.0.113.7, 10.0.0.2', '203.0.113.7'],
    ['is that of the connection when fewer entries than proxies came', 2, '203.0.113.7', socket],
    ['may carry a port', 1, '203.0.113.7:4711', '203.0.113.7'],
    ['may be IPv6', 1, '2001:db8::1', '2001:db8::1'],
    ['may be IPv6 in brackets with a port', 1, '[2001:db8::1]:4711', '2001:db8::1'],
    ['loses its zone', 1, 'fe80::1%eth0', 'fe80::1'],
    ['is written as IPv4 when it is one', 1, '::ffff:203.0.113.7', '203.0.113.7'],
    ['is that of the connection when a name was forwarded', 1, 'example.com', socket],
    ['is that of the connection when garbage was forwarded', 1, '203.0.113.7\u0000; drop', socket],
    ['is that of the connection when the entry is empty', 1, '203.0.113.7, ', socket],
  ]
  for (const [what, hops, forwardedFor, address] of cases) {
    it(what, () => {
      const headers: Record<string, string> = forwardedFor === null ? {} : { 'x-forwarded-for': forwardedFor }
      expect(clientAddress(request(headers, socket), hops)).to.equal(address)
    })
  }

  it('is null when the connection is gone', () => {
    expect(clientAddress(request({}), 0)).to.equal(null)
  })

  it('is written as IPv4 on an IPv6 socket', () => {
    expect(clientAddress(request({}, '::ffff:192.0.2.1'), 0)).to.equal('192.0.2.1')
  })
})

describe('The origin that a request was sent to', () => {
  const spoofed = { host: 'here.test', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'evil.test' }

  it('is not moved by forwarded headers when no proxy is trusted', () => {
    expect(requestOrigin(request(spoofed), 0)).to.equal('http://here.test')
    expect(isSecure(request(spoofed), 0)).to.equal(false)
  })

  it('is what a trusted proxy says', () => {
    const headers = {
      host: 'inner:3000',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'www.example.com',
    }
    expect(requestOrigin(request(headers), 1)).to.equal('https://www.example.com')
  })

  it('is secure on a TLS connection of our own', () => {
    expect(requestOrigin(request({ host: 'here.test:3000' }, '10.0.0.9', true), 0)).to.equal(
      'https://here.test:3000',
    )
  })

  it('takes the entry of the outermost trusted proxy from a list', () => {
    const headers = { host: 'inner', 'x-forwarded-proto': 'http, https' }
    expect(isSecure(request(headers), 1)).to.equal(true)
    expect(isSecure(request(headers), 2)).to.equal(false)
  })

  for (const host of ['', 'a b', 'evil.test/path', 'user@evil.test', 'x'.repeat(300) + '/', 'a:999999']) {
    it(`is unknown for the host ${JSON.stringify(host.slice(0, 20))}`, () => {
      expect(requestOrigin(request({ host }), 0)).to.equal(null)
    })
  }
})
