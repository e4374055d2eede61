import { connect } from 'node:net'
import { expect } from 'chai'
import { WebSocket, type ClientOptions } from 'ws'
import { defineRoute } from '../../shared/app/route.ts'
import { defineSocket, type Socket, type SocketConnection } from '../../shared/app/stream.ts'
import { freshValue } from '../../shared/coherence/index.ts'
import type { WorkEnded } from '../../shared/live/work-ended.ts'
import { eventually } from '../support/eventually.ts'
import { startHttpApp, type HttpApp, type HttpAppOptions } from '../support/http-app.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

const handshake = [
  'GET /open/a HTTP/1.1',
  'Host: localhost',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  '\r\n',
].join('\r\n')

interface Client {
  readonly socket: WebSocket
  readonly messages: string[]
  readonly closed: Promise<{ code: number; reason: string }>
}

describe('sockets', () => {
  let redis: TestRedis
  const running: HttpApp[] = []
  const opened: SocketConnection[] = []

  const echo = defineSocket({
    path: '/echo',
    access: 'signed-in',
    summary: 'Echo',
    limits: [],
    open(_ctx, socket) {
      opened.push(socket)
      socket.onMessage((text) => void socket.send(text))
    },
  })
  const open = defineSocket({ ...echo, path: '/open/:room', access: 'anyone' })
  const plain = defineRoute({
    method: 'GET',
    path: '/plain',
    access: 'anyone',
    limits: [],
    summary: 'No socket',
    replies: { 200: { description: 'Text' } },
    handler: (ctx) => void (ctx.body = 'plain'),
  })

  before(async () => {
    redis = await startRedis()
  })
  after(() => redis.stop())
  afterEach(async () => {
    await Promise.all(running.splice(0).map((app) => app.stop()))
    opened.length = 0
  })

  async function start(more: Partial<HttpAppOptions> = {}, sockets: Socket[] = [echo, open]) {
    const app = await startHttpApp({ redisUrl: redis.url, sockets, routes: [plain], ...more })
    running.push(app)
    return app
  }

  async function twoWorkers() {
    const domain = freshValue()
    const [one, other] = [await start({ domain }), await start({ domain })]
    await one.register('ada@example.com')
    return { one, other, token: await one.signIn('ada@example.com') }
  }

  function dial(app: HttpApp, path: string, options: ClientOptions = {}): Client {
    const socket = new WebSocket(app.url.replace('http', 'ws') + path, options)
    const messages: string[] = []
    socket.on('message', (data) => messages.push(String(data)))
    socket.on('error', () => {})
    const closed = new Promise<{ code: number; reason: string }>((resolve) => {
      socket.once('close', (code, reason) => resolve({ code, reason: String(reason) }))
    })
    return { socket, messages, closed }
  }

  async function join(app: HttpApp, path: string, options?: ClientOptions): Promise<Client> {
    const client = dial(app, path, options)
    await new Promise((resolve, reject) => {
      client.socket.once('open', resolve)
      client.socket.once('unexpected-response', (_request, response) =>
        reject(new Error(`refused with ${response.statusCode}`)),
      )
    })
    return client
  }

  /** The status of the answer to an upgrade that is refused. */
  function refusal(app: HttpApp, path: string, options: ClientOptions = {}): Promise<number> {
    const { socket } = dial(app, path, options)
    return new Promise((resolve, reject) => {
      socket.once('open', () => reject(new Error('it was not refused')))
      socket.once('unexpected-response', (request, response) => {
        resolve(response.statusCode ?? 0)
        request.destroy()
      })
    })
  }

  const as = (token: string): ClientOptions => ({ headers: { Authorization: `Bearer ${token}` } })

  it('a logout on one worker closes the sockets of all with 4401 before it is answered', async () => {
    const { one, other, token } = await twoWorkers()
    const clients = [await join(one, '/echo', as(token)), await join(other, '/echo', as(token))]
    for (const { socket } of clients) socket.send('hello')
    await eventually(() => clients.forEach(({ messages }) => expect(messages).to.deep.equal(['hello'])))
    await eventually(() => expect(opened).to.have.length(2))
    const { status } = await other.request('POST', '/api/v1/auth/logout', { bearer: token })
    expect(status).to.equal(204)
    expect(opened.map(({ signal }) => (signal.reason as WorkEnded).reason)).to.deep.equal([
      'session-ended',
      'session-ended',
    ])
    expect(opened.map((socket) => socket.send('late'))).to.deep.equal([false, false])
    for (const { closed } of clients) expect(await closed).to.include({ code: 4401 })
    await eventually(() => expect(one.connections() + other.connections()).to.equal(0))
  })

  it('need a session before the upgrade, and a live one', async () => {
    const { one, token } = await twoWorkers()
    expect(await refusal(one, '/echo')).to.equal(401)
    await one.request('POST', '/api/v1/auth/logout', { bearer: token })
    expect(await refusal(one, '/echo', as(token))).to.equal(401)
    expect(await refusal(one, '/echo', as('nonsense'))).to.equal(401)
    expect(await refusal(one, '/nowhere')).to.equal(404)
    expect(one.connections()).to.equal(0)
  })

  it('another site cannot open one with the cookie of its visitor', async () => {
    const { one, token } = await twoWorkers()
    const cookie = { headers: { Cookie: `sid=${token}` } }
    expect(await refusal(one, '/echo', { ...cookie, origin: 'https://evil.example' })).to.equal(403)
    expect(await refusal(one, '/echo', { ...cookie, origin: 'null' })).to.equal(403)
    const own = await join(one, '/echo', { ...cookie, origin: one.url })
    own.socket.close()
    await own.closed
  })

  it('refuse what is no handshake, and leave other routes as they are', async () => {
    const app = await start()
    const answer = await app.request('GET', '/open/a')
    expect(answer.status).to.equal(426)
    const upgraded = await app.request('GET', '/plain', {
      headers: { Connection: 'Upgrade', Upgrade: 'h2c' },
    })
    expect([upgraded.status, upgraded.text]).to.deep.equal([200, 'plain'])
    expect(await refusal(app, '/plain')).to.equal(200)
  })

  it('close with 1012 and a pause as the worker stops', async () => {
    const app = await start()
    const client = await join(app, '/open/a')
    await running.pop()?.stop()
    const { code, reason } = await client.closed
    expect(code).to.equal(1012)
    expect(reason).to.match(/^retry in \d+ ms$/)
  })

  it('close with 1009 for a message that is too large, 1003 for bytes and 1008 for too many; a flood of pings is cut off', async () => {
    const app = await start()
    const [large, binary, many, pings] = [
      await join(app, '/open/a'),
      await join(app, '/open/a'),
      await join(app, '/open/a'),
      await join(app, '/open/a'),
    ]
    large.socket.send('x'.repeat(70_000))
    expect((await large.closed).code).to.equal(1009)
    binary.socket.send(Buffer.from('bytes'))
    expect((await binary.closed).code).to.equal(1003)
    for (let n = 0; n < 500; n++) many.socket.send('x')
    expect((await many.closed).code).to.equal(1008)
    for (let n = 0; n < 500; n++) pings.socket.ping()
    expect((await pings.closed).code).to.equal(1006)
    await eventually(() => expect(app.connections()).to.equal(0))
  })

  it('bear frames that are malformed or unmasked, and clients that vanish', async () => {
    const app = await start({ liveBounds: { perUser: 200 } })
    const { port } = new URL(app.url)
    const frames = [Buffer.from([0x81, 0x01, 0x61]), Buffer.from([0xff, 0xff, 0xff]), Buffer.alloc(200, 0x83)]
    for (const frame of frames) {
      const socket = connect(Number(port), '127.0.0.1').on('error', () => {})
      socket.write(handshake)
      await new Promise((resolve) => socket.once('data', resolve))
      socket.write(frame)
      await new Promise((resolve) => socket.once('close', resolve).resume())
    }
    const crowd = await Promise.all(Array.from({ length: 100 }, () => join(app, '/open/a')))
    for (const { socket } of crowd) socket.terminate()
    await eventually(() => expect(app.connections()).to.equal(0), 5_000)
    const last = await join(app, '/open/a')
    last.socket.close()
  })

  it('are closed with 1011 when their handler fails, and others go on', async () => {
    const fails = (path: string, handler: Socket['open']) => defineSocket({ ...open, path, open: handler })
    const app = await start({}, [
      open,
      fails('/throws', () => {
        throw new Error('at once')
      }),
      fails('/rejects', async () => {
        throw new Error('later')
      }),
      fails('/listener', (_ctx, socket) =>
        socket.onMessage(() => {
          throw new Error('in a listener')
        }),
      ),
    ])
    const other = await join(app, '/open/a')
    for (const path of ['/throws', '/rejects', '/listener']) {
      const client = await join(app, path)
      client.socket.send('x')
      expect((await client.closed).code, path).to.equal(1011)
    }
    other.socket.send('still here')
    await eventually(() => expect(other.messages).to.deep.equal(['still here']))
    other.socket.close()
  })

  it('carry what is told to a channel', async () => {
    const joined = defineSocket({ ...open, path: '/joined', open: (_ctx, socket) => socket.join('chat') })
    const domain = freshValue()
    const [one, other] = [await start({ domain }, [joined]), await start({ domain }, [joined])]
    const clients = [await join(one, '/joined'), await join(other, '/joined')]
    await eventually(async () => {
      await one.broadcast('chat', 'hello')
      for (const { messages } of clients) expect(messages).to.include('hello')
    })
    for (const { socket } of clients) socket.close()
  })

  it('take a message in fragments, and refuse one that is too large in sum or has bad fragments', async () => {
    const app = await start()
    const { port } = new URL(app.url)
    const mask = [1, 2, 3, 4]
    /** A frame as clients have to send it. */
    const frame = (first: number, text: string): Buffer => {
      const bytes = Buffer.from(text).map((byte, i) => byte ^ (mask[i % 4] ?? 0))
      const length =
        bytes.length < 126 ? [0x80 | bytes.length] : [0x80 | 126, bytes.length >> 8, bytes.length & 0xff]
      return Buffer.concat([Buffer.from([first, ...length, ...mask]), bytes])
    }
    const converse = async (...frames: Buffer[]): Promise<string> => {
      const socket = connect(Number(port), '127.0.0.1').on('error', () => {})
      let received = Buffer.alloc(0)
      socket.on('data', (bytes: Buffer) => (received = Buffer.concat([received, bytes])))
      socket.write(handshake)
      await eventually(() => expect(received.toString('latin1')).to.contain('101 Switching'))
      received = Buffer.alloc(0)
      for (const bytes of frames) socket.write(bytes)
      await eventually(() => expect(received.length).to.be.above(3))
      socket.destroy()
      return received.toString('latin1')
    }
    const closedWith = (code: number) => Buffer.from([code >> 8, code & 0xff]).toString('latin1')
    // Text begun, gone on, ended; a ping may come in between.
    const whole = await converse(frame(0x01, 'he'), frame(0x89, ''), frame(0x00, 'll'), frame(0x80, 'o'))
    expect(whole).to.contain('hello')
    const part = 'x'.repeat(30_000)
    const large = await converse(frame(0x01, part), frame(0x00, part), frame(0x80, part))
    expect(large).to.contain(closedWith(1009))
    // Goes on with what was never begun; begins anew before the end; text that is no text.
    expect(await converse(frame(0x80, 'x'))).to.contain(closedWith(1002))
    expect(await converse(frame(0x01, 'x'), frame(0x81, 'y'))).to.contain(closedWith(1002))
    const invalid = Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0xff])
    expect(await converse(invalid)).to.contain(closedWith(1007))
    await eventually(() => expect(app.connections()).to.equal(0))
  })

  it('refuse who comes with two sessions', async () => {
    const { one, token } = await twoWorkers()
    const other = await one.signIn('ada@example.com')
    const cookies = { headers: { Cookie: `sid=${token}; sid=${other}` }, origin: one.url }
    expect(await refusal(one, '/echo', cookies)).to.equal(400)
    expect(one.connections()).to.equal(0)
  })

  it('wait for a handler that never ends, and end with their client and their session all the same', async () => {
    const never = new Promise<void>(() => {})
    const stuck = defineSocket({
      ...echo,
      path: '/stuck',
      open: (_ctx, socket) => (opened.push(socket), never),
    })
    const app = await start({}, [stuck])
    await app.register('grace@example.com')
    const token = await app.signIn('grace@example.com')
    const [leaving, staying] = [await join(app, '/stuck', as(token)), await join(app, '/stuck', as(token))]
    leaving.socket.terminate()
    await eventually(() => expect(app.connections()).to.equal(1))
    await app.request('POST', '/api/v1/auth/logout', { bearer: token })
    expect((await staying.closed).code).to.equal(4401)
    expect(opened.map((socket) => socket.send('late'))).to.deep.equal([false, false])
    await eventually(() => expect(app.connections()).to.equal(0))
  })

  it('leave nothing behind, five thousand of them that are cut at random moments', async function () {
    this.timeout(120_000)
    const app = await start({ liveBounds: { perUser: 10_000 } })
    const { port } = new URL(app.url)
    /** Ends somewhere between the first byte and a conversation. */
    const visit = (n: number) =>
      new Promise<void>((resolve) => {
        const socket = connect(Number(port), '127.0.0.1')
        socket.on('error', () => {}).on('close', () => resolve())
        const cut = () => (n % 2 === 0 ? socket.resetAndDestroy() : socket.destroy())
        const step = n % 5
        socket.write(step === 0 ? handshake.slice(0, n % handshake.length) : handshake)
        if (step <= 1) setTimeout(cut, n % 7)
        else {
          socket.once('data', () => {
            if (step === 3) socket.write(Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x61]))
            if (step === 4) socket.write(Buffer.from([0x81, 0xfe, 0xff]))
            setTimeout(cut, n % 11)
          })
        }
      })
    let next = 0
    const visitor = async () => {
      while (next < 5_000) await visit(next++)
    }
    await Promise.all(Array.from({ length: 50 }, visitor))
    await eventually(() => expect(app.connections()).to.equal(0), 20_000)
    expect(opened.filter(({ signal }) => !signal.aborted)).to.have.length(0)
    const last = await join(app, '/open/a')
    last.socket.send('still here')
    await eventually(() => expect(last.messages).to.deep.equal(['still here']))
    last.socket.close()
  })
})
