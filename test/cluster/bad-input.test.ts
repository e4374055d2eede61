import { expect } from 'chai'
import { admin, startCluster, withoutLimits, type TestCluster } from '../support/cluster.ts'
import { send, signIn, type SignedIn, type TestRequest, type TestResponse } from '../support/http.ts'
import { sendBytes } from '../support/raw-http.ts'
import { createUsers, verdicts } from '../support/users.ts'

const me = '/api/v1/auth/me'
const login = '/api/v1/auth/login'

describe('malformed, oversized, duplicated and hostile input', function () {
  this.timeout(30_000)
  let cluster: TestCluster
  let administrator: SignedIn
  let person: SignedIn
  let pids: ReadonlyMap<number, number>

  before(async () => {
    cluster = await startCluster({ workers: 2, env: { ...withoutLimits, LOG_LEVEL: 'debug' } })
    const users = await createUsers(cluster)
    administrator = users.administrator
    person = await signIn(cluster.url, (await users.register()).credentials)
    pids = cluster.workerPids()
  })
  /** Whatever was sent: no worker died of it, nobody was signed out, and nothing was logged as our own fault. */
  afterEach(async () => {
    expect(await verdicts(cluster, person)).to.deep.equal([200, 200])
    expect(cluster.workerPids()).to.deep.equal(pids)
    expect(cluster.logged().filter(({ level }) => ['error', 'fatal'].includes(level))).to.deep.equal([])
  })
  after(() => cluster?.stop())

  const host = 'Host: localhost'
  const bytes: [what: string, sent: string | Buffer, status: number][] = [
    ['something that is not HTTP', 'EHLO mail.example.com\r\n\r\n', 400],
    ['binary noise', Buffer.from(Array.from({ length: 512 }, (_, index) => (index * 89) % 256)), 400],
    ['a TLS handshake', Buffer.from('16030100f8010000f40303', 'hex'), 400],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['no Host', `GET ${me} HTTP/1.1\r\n\r\n`, 400],
    ['two Hosts', `GET ${me} HTTP/1.1\r\n${host}\r\nHost: elsewhere\r\n\r\n`, 400],
    ['a NUL in the path', `GET /\0 HTTP/1.1\r\n${host}\r\n\r\n`, 400],
    ['a NUL in a header', `GET ${me} HTTP/1.1\r\n${host}\r\nX-A: a\0b\r\n\r\n`, 400],
    ['a folded header', `GET ${me} HTTP/1.1\r\n${host}\r\nX-A: a\r\n b\r\n\r\n`, 400],
    ['a blank before the colon', `GET ${me} HTTP/1.1\r\n${host}\r\nX-A : a\r\n\r\n`, 400],
    ['headers of 64 KiB', `GET ${me} HTTP/1.1\r\n${host}\r\nX-A: ${'a'.repeat(65_536)}\r\n\r\n`, 431],
    ['a path of 64 KiB', `GET /${'a'.repeat(65_536)} HTTP/1.1\r\n${host}\r\n\r\n`, 431],
    ['a cookie of 64 KiB', `GET ${me} HTTP/1.1\r\n${host}\r\nCookie: sid=${'a'.repeat(65_536)}\r\n\r\n`, 431],
    [
      'two lengths',
      `POST ${login} HTTP/1.1\r\n${host}\r\nContent-Length: 2\r\nContent-Length: 30\r\n\r\n{}`,
      400,
    ],
    [
      'a length and chunks',
      `POST ${login} HTTP/1.1\r\n${host}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
    ],
    ['a negative length', `POST ${login} HTTP/1.1\r\n${host}\r\nContent-Length: -1\r\n\r\n`, 400],
    ['a length that is no number', `POST ${login} HTTP/1.1\r\n${host}\r\nContent-Length: 1e3\r\n\r\n`, 400],
    ['an unknown coding', `POST ${login} HTTP/1.1\r\n${host}\r\nTransfer-Encoding: xchunked\r\n\r\n`, 400],
    [
      'a broken chunk',
      `POST ${login} HTTP/1.1\r\n${host}\r\nContent-Type: application/json\r\n` +
        'Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n',
      400,
    ],
  ]
  for (const [what, sent, status] of bytes) {
    it(`${what}: ${status}, and says so`, async () => {
      const answer = await sendBytes(cluster.url, sent)
      expect(answer.status, answer.head).to.equal(status)
      expect(JSON.parse(answer.body)).to.include({ status })
      expect(JSON.parse(answer.body).detail).to.be.a('string').and.not.equal('')
    })
  }

  const credentials: [what: string, headers: TestRequest['headers'], status: number, names: RegExp][] = [
    ['a session cookie that is no token', { cookie: 'sid=%00%ff' }, 401, /session cookie is malformed/],
    ['an empty session cookie', { cookie: 'sid=' }, 401, /session cookie is malformed/],
    ['two session cookies', { cookie: 'sid=a; sid=b' }, 400, /cookie sid was sent twice/],
    ['a cookie header of separators', { cookie: ';;;===;;' }, 401, /no session cookie/],
    ['a Bearer token that is none', { authorization: 'Bearer ../../x' }, 401, /Bearer token is malformed/],
    ['two Authorizations', { authorization: ['Bearer a', 'Bearer b'] }, 400, /header authorization/],
  ]
  for (const [what, headers, status, names] of credentials) {
    it(`${what}: ${status}, and names what to fix`, async () => {
      expectProblem(await send(`${cluster.url}${me}`, { headers: headers ?? {} }), status, names)
    })
  }

  const requests: [what: string, path: string, request: TestRequest, status: number, names: RegExp][] = [
    ['a parameter twice', '/api/v1/admin/users?limit=1&limit=2', {}, 400, /limit is there twice/],
    ['a limit of -1', '/api/v1/admin/users?limit=-1', {}, 422, /limit must be a number/],
    ['an unknown parameter', '/api/v1/admin/users?order=name', {}, 422, /order/],
    [
      'a broken escape in the path',
      '/api/v1/auth/sessions/%zz',
      { method: 'DELETE' },
      400,
      /path|escape|encod/i,
    ],
    [
      'a role that is none',
      '/api/v1/admin/users',
      { method: 'POST', body: { roles: ['root'] } },
      422,
      /roles/,
    ],
    ['a body of 65 KiB', login, { method: 'POST', body: { email: 'a'.repeat(66_560) } }, 413, /65536 bytes/],
    ['a key twice', login, json('{"email":"a","email":"b"}'), 400, /"email" is there twice/],
    ['__proto__', login, json('{"__proto__":{"roles":["admin"]}}'), 400, /__proto__/],
    [
      'a body nested 5,000 deep',
      login,
      json(`{"a":${'['.repeat(5_000)}${']'.repeat(5_000)}}`),
      400,
      /nested/,
    ],
    ['half a body', login, json('{"email":"a@example.com","pass'), 400, /not valid JSON/],
    ['a body that is no UTF-8', login, json(Buffer.from([0x7b, 0xff, 0x7d])), 400, /UTF-8/],
    ['a form', login, { method: 'POST', body: 'email=a&password=b' }, 415, /application\/json/],
    [
      'more fields than there are',
      login,
      json('{"email":"a@b.c","password":"x","roles":["admin"]}'),
      422,
      /roles/,
    ],
    [
      'fields of the wrong type',
      login,
      json('{"email":{"$gt":""},"password":["x"]}'),
      422,
      /email.*password/s,
    ],
    [
      'a field name that is a method',
      '/api/v1/session',
      { method: 'PATCH', body: { toJSON: 1 } },
      422,
      /toJSON/,
    ],
    [
      'a session’s data of 40 KiB',
      '/api/v1/session',
      { method: 'PATCH', body: { a: 'x'.repeat(40_000) } },
      413,
      /32768/,
    ],
    [
      'a label with control characters',
      '/api/v1/auth/sessions/current',
      { method: 'PATCH', body: { label: 'a\n{"b":1}' } },
      422,
      /label/,
    ],
    [
      'a password of one letter',
      '/api/v1/auth/password',
      { method: 'PUT', body: { currentPassword: admin.password, newPassword: 'x' } },
      422,
      /newPassword/,
    ],
  ]
  for (const [what, path, request, status, names] of requests) {
    it(`${what}: ${status}, and names what to fix`, async () => {
      expectProblem(await administrator.send(path, request), status, names)
    })
  }
})

function expectProblem(answer: TestResponse, status: number, names: RegExp): void {
  expect(answer.headers['content-type']).to.match(/^application\/problem\+json/)
  expect(answer.json()).to.include({ status })
  expect(answer.json().detail).to.match(names)
  expect(answer.headers).to.not.have.property('set-cookie')
}

/** A body that is sent as it is, and called JSON. */
function json(body: string | Buffer): TestRequest {
  return { method: 'POST', body, headers: { 'content-type': 'application/json' } }
}
