import { expect } from 'chai'
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { connect, type Socket } from 'node:net'
import { pino } from 'pino'
import { createHttpServer, type HttpServer, type HttpServerOptions } from '../../server/http/http-server.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { eventually } from '../support/eventually.ts'

describe('The HTTP server', () => {
  const opened: HttpServer[] = []
  const sockets: Socket[] = []

  async function serve(
    handler: RequestListener,
    bounds: HttpServerOptions['bounds'] = {},
    more: Partial<HttpServerOptions> = {},
  ): Promise<HttpServer> {
    const server = createHttpServer({
      ...more,
      handler,
      bounds,
      host: '127.0.0.1',
      port: 0,
      log: pino({ level: 'silent' }),
      onFatal: (cause) => {
        throw cause
      },
    })
    opened.push(server)
    await server.start()
    return server
  }

  /** A connection on which a test writes what it likes. */
  async function dial(server: HttpServer) {
    const socket = connect(server.port, '127.0.0.1')
    sockets.push(socket)
    let received = ''
    let ended = false
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => (received += text))
    socket.on('close', () => (ended = true))
    socket.on('error', () => {})
    await once(socket, 'connect')
    return {
      write: (text: string) => void socket.write(text),
      pause: () => void socket.pause(),
      resume: () => void socket.resume(),
      received: () => received,
      ended: () => ended,
    }
  }

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    for (const server of opened.splice(0)) await server.stop(deadlineIn(1_000))
  })

  const hello: RequestListener = (_req, res) => void res.end('hello')

  const malformed: [what: string, bytes: string, status: number][] = [
    ['what is not HTTP', 'hello there\r\n\r\n', 400],
    ['an unknown method', 'BREW / HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['a header without a name', 'GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n', 400],
    ['a line break within a header', 'GET / HTTP/1.1\r\nHost: x\r\nA: b\rc: d\r\n\r\n', 400],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab', 400],
    [
      'a length and chunks',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    ['a negative length', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n', 400],
    ['a wish for a tunnel', 'CONNECT elsewhere.test:443 HTTP/1.1\r\nHost: elsewhere.test\r\n\r\n', 405],
    ['headers beyond the limit', `GET / HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
  ]
  for (const [what, bytes, status] of malformed) {
    it(`answers ${what} with a ${status} that says so, and hangs up`, async () => {
      const client = await dial(await serve(hello))
      client.write(bytes)
      await eventually(() => expect(client.ended()).to.equal(true))
      expect(client.received()).to.match(new RegExp(`^HTTP/1.1 ${status} `))
      expect(client.received()).to.match(/application\/problem\+json/)
      expect(client.received()).not.to.match(/HPE_|llhttp|node/i)
    })
  }

  const slow: [what: string, bytes: string][] = [
    ['headers', 'GET / HTTP/1.1\r\nHost: x\r\nX-Slow: '],
    ['a body', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly the beginning'],
  ]
  for (const [what, bytes] of slow) {
    it(`does not wait for ever for ${what}: 408`, async () => {
      const patience = { headersTimeout: 50, requestTimeout: 100, connectionsCheckingInterval: 20 }
      const client = await dial(await serve((req) => void req.resume(), patience))
      client.write(bytes)
      await eventually(() => expect(client.ended()).to.equal(true))
      expect(client.received()).to.match(/^HTTP\/1.1 408 [^]*request-timeout/)
    })
  }

  it('goes on serving others after a client sent garbage', async () => {
    const server = await serve(hello)
    const bad = await dial(server)
    bad.write('\u0000\u0001\u0002\r\n\r\n')
    await eventually(() => expect(bad.ended()).to.equal(true))
    const good = await dial(server)
    good.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await eventually(() => expect(good.received()).to.match(/^HTTP\/1.1 200 [^]*hello$/))
  })

  it('outlives a client that breaks off its wish for a tunnel', async () => {
    const server = await serve(hello)
    for (let attempt = 0; attempt < 5; attempt++) {
      const socket = connect(server.port, '127.0.0.1')
      await once(socket, 'connect')
      socket.write('CONNECT elsewhere.test:443 HTTP/1.1\r\nHost: x\r\n\r\nmore'.padEnd(100_000, '.'))
      socket.resetAndDestroy()
    }
    const good = await dial(server)
    good.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await eventually(() => expect(good.received()).to.match(/^HTTP\/1.1 200 [^]*hello$/))
  })

  it('refuses a body with a wish for another protocol, instead of serving the request without it', async () => {
    const client = await dial(await serve((req, res) => void res.end(req.method), {}, { upgrades: true }))
    client.write(
      'POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 4\r\n\r\nbody',
    )
    await eventually(() => expect(client.ended()).to.equal(true))
    expect(client.received()).to.match(/^HTTP\/1.1 400 [^]*leave out the header Upgrade/)
  })

  it('ignores an expectation that it does not know', async () => {
    const client = await dial(await serve(hello))
    client.write('GET / HTTP/1.1\r\nHost: x\r\nExpect: a-miracle\r\n\r\n')
    await eventually(() => expect(client.received()).to.match(/^HTTP\/1.1 200 [^]*hello$/))
  })

  it('sees the last of very many headers', async () => {
    const client = await dial(await serve((req, res) => void res.end(`a is ${req.headers.a}`)))
    client.write(`GET / HTTP/1.1\r\n${'x:\r\n'.repeat(2_500)}a: there\r\nHost: x\r\n\r\n`)
    await eventually(() => expect(client.received()).to.match(/a is there$/))
  })

  it('does not write into an answer that has begun', async () => {
    const client = await dial(
      await serve((_req, res) => {
        res.write('first part')
      }),
    )
    client.write('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n')
    await eventually(() => expect(client.received()).to.match(/first part/))
    client.write('garbage\r\n')
    await eventually(() => expect(client.ended()).to.equal(true))
    expect(client.received().match(/HTTP\/1.1/g)).to.have.length(1)
  })

  describe('that stops', () => {
    it('finishes the request in flight, and says that the connection closes', async () => {
      let finish: (() => void) | null = null
      const server = await serve((_req, res) => {
        finish = () => void res.end('done')
      })
      const client = await dial(server)
      client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
      const answer = await eventually(() => finish ?? expect.fail('not asked yet'))
      const stopped = server.stop(deadlineIn(5_000))
      answer()
      await stopped
      await eventually(() =>
        expect(client.received()).to.match(/^HTTP\/1.1 200 [^]*Connection: close[^]*done$/i),
      )
    })

    it('still answers the next request of a connection that was open before', async () => {
      const server = await serve(hello)
      const client = await dial(server)
      client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
      await eventually(() => expect(client.received()).to.match(/hello$/))
      const stopped = server.stop(deadlineIn(10_000))
      client.write('GET /again HTTP/1.1\r\nHost: x\r\n\r\n')
      await eventually(() => expect(client.received()).to.match(/hello[^]*Connection: close[^]*hello$/i))
      await stopped
      expect(client.ended()).to.equal(true)
    })

    /** Idle connections are cut after a moment, and nothing else ends them in time for the test. */
    const hasty = {
      idleGraceMs: 50,
      headersTimeout: 600_000,
      requestTimeout: 600_000,
      keepAliveTimeout: 600_000,
    }
    const never = () => deadlineIn(600_000)
    const get = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'

    /** A connection that was used; the server has taken up those before it too. */
    async function dialAndAsk(server: HttpServer) {
      const client = await dial(server)
      client.write(get)
      await eventually(() => expect(client.received()).to.match(/hello$/))
      return client
    }

    it('does not wait for a connection on which nothing was ever asked', async () => {
      const server = await serve(hello, hasty)
      const client = await dial(server)
      await dialAndAsk(server)
      await server.stop(never())
      await eventually(() => expect(client.ended()).to.equal(true))
    })

    it('waits for the rest of a request, the first of its connection or a later one', async () => {
      const server = await serve(hello, hasty)
      const first = await dial(server)
      const [later, idle] = [await dialAndAsk(server), await dialAndAsk(server)]
      first.write('GET / HTTP/1.1\r\n')
      const stopped = server.stop(never())
      later.write('GET / HTTP/1.1\r\n')
      await eventually(() => expect(idle.ended()).to.equal(true))
      for (const client of [first, later]) {
        client.write('Host: x\r\n\r\n')
        await eventually(() => expect(client.received()).to.match(/Connection: close[^]*hello$/i))
      }
      await stopped
    })

    /** A client that has read that its connection stays open, in an answer that ends when the test says so. */
    async function answerUnderWay(bounds: HttpServerOptions['bounds']) {
      const finish: (() => void)[] = []
      const server = await serve((req, res) => {
        if (req.url !== '/long') return void res.end('hello')
        res.write('begun')
        finish.push(() => void res.end())
      }, bounds)
      const client = await dial(server)
      client.write('GET /long HTTP/1.1\r\nHost: x\r\n\r\n')
      await eventually(() => expect(client.received()).to.match(/keep-alive[^]*begun/))
      return { server, client, finish: () => finish[0]?.() }
    }

    /** Stops the server: an idle connection goes, the one with the answer stays until that has ended. */
    async function stopWhileUnderWay({ server, client, finish }: Awaited<ReturnType<typeof answerUnderWay>>) {
      const idle = await dialAndAsk(server)
      const stopped = server.stop(never())
      await eventually(() => expect(idle.ended()).to.equal(true))
      expect(client.ended()).to.equal(false)
      finish()
      await stopped
    }

    it('closes a connection that becomes idle after the others were closed', async () => {
      const underWay = await answerUnderWay(hasty)
      await stopWhileUnderWay(underWay)
      expect(underWay.client.received()).to.match(/begun\r\n0\r\n\r\n$/)
    })

    it('closes a connection whose last answer was ready before one that is under way', async () => {
      const underWay = await answerUnderWay(hasty)
      underWay.client.write(get)
      await stopWhileUnderWay(underWay)
      expect(underWay.client.received()).to.match(/begun\r\n0\r\n\r\nHTTP[^]*hello$/)
    })

    it('still answers who was told before that the connection stays open', async () => {
      const { server, client, finish } = await answerUnderWay({ ...hasty, idleGraceMs: 600_000 })
      const stopped = server.stop(never())
      finish()
      await eventually(() => expect(client.received()).to.match(/\r\n0\r\n\r\n$/))
      client.write(get)
      await stopped
      await eventually(() => expect(client.received()).to.match(/Connection: close[^]*hello$/i))
    })

    it('closes a connection whose request was answered before it was read', async () => {
      const server = await serve(hello, hasty)
      const client = await dial(server)
      client.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n')
      await eventually(() => expect(client.received()).to.match(/keep-alive[^]*hello$/))
      const stopped = server.stop(never())
      client.write('body')
      await stopped
      await eventually(() => expect(client.ended()).to.equal(true))
    })

    it('does not lose the second of two requests that came together', async () => {
      const finish: (() => void)[] = []
      const server = await serve((req, res) => void finish.push(() => res.end(req.url)), hasty)
      const client = await dial(server)
      client.write('GET /1 HTTP/1.1\r\nHost: x\r\n\r\n')
      await eventually(() => expect(finish).to.have.length(1))
      const stopped = server.stop(never())
      client.write('GET /2 HTTP/1.1\r\nHost: x\r\n\r\n')
      await eventually(() => expect(finish).to.have.length(2))
      for (const each of finish) each()
      await stopped
      await eventually(() => expect(client.received()).to.match(/\/1HTTP[^]*Connection: close[^]*\/2$/i))
    })

    it('does not cut what a slow client has not read yet', async () => {
      // More than the system keeps on its way.
      const large = Buffer.alloc(64 * 1_048_576, 'x')
      let begun = false
      const server = await serve((req, res) => {
        begun = req.url === '/large'
        res.end(begun ? large : 'hello')
      }, hasty)
      const [idle, client] = [await dialAndAsk(server), await dial(server)]
      client.pause()
      client.write('GET /large HTTP/1.1\r\nHost: x\r\n\r\n')
      await eventually(() => expect(begun).to.equal(true))
      const stopped = server.stop(never())
      await eventually(() => expect(idle.ended()).to.equal(true))
      client.resume()
      await stopped
      await eventually(() => expect(client.ended()).to.equal(true))
      expect(client.received().length).to.be.greaterThan(large.length)
    })

    it('ends a stream of events at once and tells its client when to come back', async () => {
      const server = await serve((_req, res) => {
        res.setHeader('Content-Type', 'text/event-stream')
        const writing = setInterval(() => res.write('data: tick\n\n'), 10)
        res.once('close', () => clearInterval(writing))
      })
      const client = await dial(server)
      client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
      await eventually(() => expect(client.received()).to.contain('data: tick'))
      await server.stop(deadlineIn(60_000))
      await eventually(() => expect(client.ended()).to.equal(true))
      expect(client.received()).to.match(/retry: 1000\n\n\r\n0\r\n\r\n$/)
    })

    it('ends a stream of events that begins only now after what it says first', async () => {
      const begin: (() => void)[] = []
      const server = await serve((req, res) => {
        if (req.url !== '/events') return void res.end('hello')
        begin.push(() => {
          res.setHeader('Content-Type', 'text/event-stream')
          res.flushHeaders()
          res.write('data: first\n\n')
        })
      }, hasty)
      const events = 'GET /events HTTP/1.1\r\nHost: x\r\n\r\n'
      const askedBefore = await dial(server)
      askedBefore.write(events)
      await eventually(() => expect(begin).to.have.length(1))
      const askedNow = await dialAndAsk(server)
      const stopped = server.stop(never())
      askedNow.write(events)
      await eventually(() => expect(begin).to.have.length(2))
      for (const each of begin) each()
      await stopped
      for (const client of [askedBefore, askedNow]) {
        await eventually(() => expect(client.ended()).to.equal(true))
        expect(client.received()).to.match(
          /Connection: close[^]*data: first[^]*retry: 1000\n\n\r\n0\r\n\r\n$/i,
        )
      }
    })

    it('accepts no new connection', async () => {
      const server = await serve(hello)
      const { port } = server
      await server.stop(deadlineIn(1_000))
      const socket = connect(port, '127.0.0.1')
      const [fault] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
      expect(fault.code).to.equal('ECONNREFUSED')
    })

    it('waits for nobody beyond the deadline', async () => {
      let asked = false
      const server = await serve(() => {
        asked = true
      })
      const client = await dial(server)
      client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
      await eventually(() => expect(asked).to.equal(true))
      await server.stop(deadlineIn(50))
      await eventually(() => expect(client.ended()).to.equal(true))
    })

    it('may be stopped twice, and before it started', async () => {
      const server = await serve(hello)
      await Promise.all([server.stop(deadlineIn(1_000)), server.stop(deadlineIn(1_000))])
      await server.stop(deadlineIn(1_000))
      const idle = createHttpServer({
        handler: hello,
        host: '127.0.0.1',
        port: 0,
        log: pino({ level: 'silent' }),
        onFatal() {},
      })
      await idle.stop(deadlineIn(1_000))
    })
  })

  it('does not start on a port in use', async () => {
    const first = await serve(hello)
    const second = createHttpServer({
      handler: hello,
      host: '127.0.0.1',
      port: first.port,
      log: pino({ level: 'silent' }),
      onFatal() {},
    })
    const outcome = await second.start().catch((fault: NodeJS.ErrnoException) => fault.code)
    expect(outcome).to.equal('EADDRINUSE')
  })
})
