import { expect } from 'chai'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { admin, startCluster, withoutLimits, type TestCluster } from '../support/cluster.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { send, sendAs, signIn } from '../support/http.ts'
import { sendBytes } from '../support/raw-http.ts'
import { long } from './effort.ts'

/** The built server under clients that no HTTP library would be. */
describe('Attacks through raw sockets', function () {
  this.timeout(long ? 600_000 : 120_000)
  let cluster: TestCluster
  let workers: ReadonlyMap<number, number>
  const cleanUp = cleanUpAfterEach()

  before(async () => {
    cluster = await startCluster({ workers: 2, env: withoutLimits })
    workers = cluster.workerPids()
  })
  after(() => cluster?.stop())

  afterEach('the same workers serve as before', async () => {
    for (let asked = 0; asked < 10; asked++) {
      expect((await send(`${cluster.url}/livez`)).status).to.equal(200)
    }
    expect(cluster.workerPids()).to.deep.equal(workers)
  })

  async function dial(): Promise<Socket> {
    const { hostname, port } = new URL(cluster.url)
    const socket = connect(Number(port), hostname)
    socket.on('error', () => {})
    cleanUp(() => void socket.destroy())
    await once(socket, 'connect')
    return socket
  }

  const host = 'Host: x\r\n'
  const smuggled = 'GET /api/v1/admin/users HTTP/1.1\r\nHost: x\r\n\r\n'
  const post = (headers: string, body: string) =>
    `POST /api/v1/auth/login HTTP/1.1\r\n${host}${headers}\r\n${body}`
  const framings: [what: string, bytes: string][] = [
    [
      'a length and chunks',
      post('Content-Length: 6\r\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${smuggled}`),
    ],
    [
      'chunks and a length',
      post('Transfer-Encoding: chunked\r\nContent-Length: 6\r\n', `0\r\n\r\n${smuggled}`),
    ],
    ['two lengths', post('Content-Length: 0\r\nContent-Length: 44\r\n', smuggled)],
    ['a list of lengths', post('Content-Length: 0, 44\r\n', smuggled)],
    ['a length with a sign', post('Content-Length: +0\r\n', smuggled)],
    ['a length in hex', post('Content-Length: 0x2c\r\n', smuggled)],
    ['a length after a space', post('Content-Length : 0\r\n', smuggled)],
    ['chunks in another spelling', post('Transfer-Encoding: xchunked\r\n', `0\r\n\r\n${smuggled}`)],
    ['chunks after something else', post('Transfer-Encoding: chunked, identity\r\n', `0\r\n\r\n${smuggled}`)],
    [
      'chunks twice',
      post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', `0\r\n\r\n${smuggled}`),
    ],
    ['chunks with a control character', post('Transfer-Encoding: \u000bchunked\r\n', `0\r\n\r\n${smuggled}`)],
    ['a chunk of negative size', post('Transfer-Encoding: chunked\r\n', `-1\r\n\r\n${smuggled}`)],
    [
      'a chunk of enormous size',
      post('Transfer-Encoding: chunked\r\n', `fffffffffffffffff\r\n\r\n${smuggled}`),
    ],
    [
      'a chunk that is longer than it says',
      post('Transfer-Encoding: chunked\r\n', `1\r\nabc\r\n0\r\n\r\n${smuggled}`),
    ],
    ['lines that end in LF alone', `GET / HTTP/1.1\nHost: x\n\n${smuggled}`],
    ['a header that is folded', `GET / HTTP/1.1\r\n${host}X-A: b\r\n c: d\r\n\r\n`],
    ['a header without a colon', `GET / HTTP/1.1\r\n${host}nonsense\r\n\r\n`],
    ['NUL in a header', `GET / HTTP/1.1\r\n${host}X-A: a\0b\r\n\r\n`],
    ['NUL in the path', `GET /a\0b HTTP/1.1\r\n${host}\r\n`],
    ['a fragment in the path', `GET /livez#x HTTP/1.1\r\n${host}\r\n`],
    ['a space in the path', `GET /a b HTTP/1.1\r\n${host}\r\n`],
    ['another version', `GET / HTTP/3.7\r\n${host}\r\n`],
    ['no path', `GET  HTTP/1.1\r\n${host}\r\n`],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'.padEnd(300, '\x01')],
    ['no host', 'GET / HTTP/1.1\r\n\r\n'],
    ['two hosts', `GET / HTTP/1.1\r\n${host}Host: y\r\n\r\n`],
    ['a host that is none', 'GET / HTTP/1.1\r\nHost: a b<script>\r\n\r\n'],
    ['twenty thousand headers', `GET / HTTP/1.1\r\n${host}${'a:\r\n'.repeat(20_000)}\r\n`],
    ['one header of a megabyte', `GET / HTTP/1.1\r\n${host}a: ${'x'.repeat(1_000_000)}\r\n\r\n`],
    ['a path of a megabyte', `GET /${'x'.repeat(1_000_000)} HTTP/1.1\r\n${host}\r\n`],
    [
      'a trailer that names a session',
      post(
        'Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n',
        '2\r\n{}\r\n0\r\nCookie: sid=x\r\n\r\n',
      ),
    ],
  ]
  for (const [what, bytes] of framings) {
    it(`${what}: refused, and nothing that follows is served`, async () => {
      const { status, head, body } = await sendBytes(cluster.url, Buffer.from(bytes, 'latin1'))
      expect(status, `${head}\n${body}`).to.be.oneOf([0, 400, 405, 408, 413, 414, 415, 422, 431, 501])
      expect(body).to.not.match(/HTTP\/1\.1 (200|401)/)
      expect(`${head}${body}`).to.not.match(/node:|HPE_|llhttp|at \w+ \(/)
    })
  }

  it('outlives clients that send a byte at a time and those that never finish, and serves others', async () => {
    const slow = await Promise.all(Array.from({ length: 100 }, dial))
    const request = post('Content-Type: application/json\r\nContent-Length: 100000\r\n', '{')
    for (const [index, socket] of slow.entries()) socket.write(request.slice(0, 10 + index))
    for (let byte = 0; byte < 20; byte++) {
      for (const socket of slow) socket.write('x')
      expect((await send(`${cluster.url}/livez`)).status).to.equal(200)
    }
  })

  it('outlives clients that hang up in the middle of everything', async () => {
    const requests = [
      smuggled,
      post('Content-Length: 50\r\n', 'half'),
      'GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n',
    ]
    for (let round = 0; round < (long ? 200 : 20); round++) {
      const sockets = await Promise.all(Array.from({ length: 10 }, dial))
      for (const [index, socket] of sockets.entries()) {
        socket.write((requests[index % requests.length] as string).slice(0, 5 + ((round * 7) % 60)))
        if (index % 2 === 0) socket.resetAndDestroy()
        else socket.end()
      }
    }
  })

  /** The requests of many connections at once, each as much as Node reads in one go. */
  async function flood(connections: number, path: string, reads: boolean) {
    const request = `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`
    const burst = request.repeat(Math.floor((64 * 1024) / request.length))
    const sockets = await Promise.all(Array.from({ length: connections }, dial))
    for (const socket of sockets) {
      if (reads) socket.resume()
      else socket.pause()
      socket.write(burst)
    }
    return () => sockets.forEach((socket) => socket.destroy())
  }

  /** Asks as a person does, again and again; gives how long each answer took. */
  async function latencies(token: string, forMs: number): Promise<number[]> {
    const taken: number[] = []
    const until = performance.now() + forMs
    while (performance.now() < until || taken.length < 20) {
      const askedAt = performance.now()
      const answer = await sendAs(
        cluster.url,
        '/api/v1/auth/me',
        { token, bearer: true },
        { timeoutMs: 30_000 },
      )
      expect(answer.status).to.equal(200)
      taken.push(performance.now() - askedAt)
      await pause(10)
    }
    return taken.sort((one, other) => one - other)
  }

  for (const [what, path, reads] of [
    ['ask for very much at once', '/livez', true],
    ['ask for very much and read nothing', '/openapi.json', false],
    ['are refused very often', '/api/v1/auth/me', true],
  ] as const) {
    it(`serves everybody else while 120 connections ${what}, in memory that does not grow with them`, async () => {
      const { token } = await signIn(cluster.url, admin)
      const before = residentBytes(workers)
      const stop = await flood(120, path, reads)
      const taken = await latencies(token, long ? 10_000 : 3_000)
      const after = residentBytes(workers)
      stop()
      if (long) {
        const p95 = taken[Math.floor(taken.length * 0.95)]
        console.log(`      others: p95 ${p95?.toFixed(0)} ms, longest ${taken.at(-1)?.toFixed(0)} ms`)
      }
      for (const [index, bytes] of after.entries()) {
        expect(bytes - (before[index] ?? 0)).to.be.lessThan(300 * 1024 * 1024)
      }
    })
  }
})

/** Of each worker; nothing where the system does not tell. */
function residentBytes(workers: ReadonlyMap<number, number>): number[] {
  if (!existsSync('/proc/self/status')) return []
  return [...workers.values()].map((pid) => {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024
  })
}
