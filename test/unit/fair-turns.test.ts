import { expect } from 'chai'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { createFairTurns, type FairTurnsOptions } from '../../server/http/fair-turns.ts'
import { eventually } from '../support/eventually.ts'

describe('Fair turns', () => {
  const servers: Server[] = []
  const sockets: Socket[] = []

  async function serve(handler: RequestListener, more: Partial<FairTurnsOptions> = {}) {
    const greedy: string[] = []
    const turns = createFairTurns({
      handler,
      refuse: (_req, res) => void res.writeHead(503).end('crowded'),
      addressOf: (req) => String(req.headers.from ?? 'somewhere'),
      onGreedy: (address) => void greedy.push(address),
      ...more,
    })
    const server = createServer(turns.serve).listen(0, '127.0.0.1')
    server.on('connection', turns.open)
    servers.push(server)
    await once(server, 'listening')
    turns.start()
    server.once('close', turns.stop)
    return { server, greedy }
  }

  async function dial(server: Server) {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    sockets.push(socket)
    let received = ''
    let closed = false
    socket.setEncoding('latin1').on('data', (text: string) => (received += text))
    socket.on('error', () => {}).on('close', () => (closed = true))
    await once(socket, 'connect')
    return { socket, received: () => received, closed: () => closed }
  }

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    for (const server of servers.splice(0)) {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    }
  })

  const get = (path: string, from = 'somewhere') => `GET ${path} HTTP/1.1\r\nHost: x\r\nFrom: ${from}\r\n\r\n`
  /** Some 64 KiB, as much as Node reads at once. */
  const many = 1_200
  const burst = Array.from({ length: many }, (_, index) => get(`/${index}`)).join('')

  it('let the next client be answered before all that another one sent at once', async () => {
    let served = 0
    let servedBeforeOther = Number.POSITIVE_INFINITY
    const { server, greedy } = await serve((req, res) => {
      if (req.url === '/other') servedBeforeOther = served
      else served += 1
      res.end('answer')
    })
    const flood = await Promise.all(Array.from({ length: 20 }, () => dial(server)))
    const other = await dial(server)
    for (const each of flood) each.socket.write(burst)
    await eventually(() => expect(served).to.be.greaterThan(0))
    other.socket.write(get('/other'))
    await eventually(() => expect(other.received()).to.match(/answer$/))
    expect(servedBeforeOther).to.be.lessThan(20 * many)
    await eventually(() => expect(served).to.equal(20 * many), 30_000)
    expect(greedy).to.include('somewhere')
  })

  it('keep the order of what one connection asks, before and after it is found greedy', async () => {
    const { server } = await serve((req, res) => {
      const answer = () => res.end(`<${req.url}>`)
      if (Number(req.url?.slice(1)) % 7 === 0) setImmediate(answer)
      else answer()
    })
    const client = await dial(server)
    for (let round = 1; round <= 3; round++) {
      client.socket.write(burst)
      await eventually(() => {
        const order = [...client.received().matchAll(/<\/(\d+)>/g)].map(([, index]) => Number(index))
        const wanted = Array.from({ length: round * many }, (_, index) => index % many)
        expect(order).to.deep.equal(wanted)
      }, 20_000)
    }
  })

  it('serve a client that reads nothing no more than a few answers', async () => {
    let served = 0
    const large = 'x'.repeat(2 * 1024 * 1024)
    const { server } = await serve((req, res) => {
      served += 1
      res.end(req.url === '/other' ? 'answer' : large)
    })
    const deaf = await dial(server)
    deaf.socket.pause()
    deaf.socket.write(burst)
    const other = await dial(server)
    for (let round = 1; round <= 20; round++) {
      other.socket.write(get('/other'))
      await eventually(() => expect(other.received().match(/answer/g)).to.have.length(round))
    }
    expect(served - 20).to.be.lessThan(10)
  })

  it('hang up on a client that takes nothing of its answer for too long', async () => {
    const { server } = await serve((_req, res) => void res.end('x'.repeat(32 * 1024 * 1024)), {
      bounds: { sweepMs: 20, deafMs: 100 },
    })
    const deaf = await dial(server)
    deaf.socket.write(get('/'))
    deaf.socket.pause()
    await eventually(() => {
      deaf.socket.read(0)
      server.getConnections((_fault, count) => (connections = count))
      expect(connections).to.equal(0)
    })
  })
  let connections = -1

  it('read a body that comes with many requests before and after it', async () => {
    let bytes = 0
    const { server } = await serve((req, res) => {
      req.on('data', (chunk: Buffer) => (bytes += chunk.length))
      req.on('end', () => res.end(`<${req.method}>`))
    })
    const client = await dial(server)
    const body = 'b'.repeat(100_000)
    const post = `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    client.socket.write(burst)
    client.socket.write(`${post}${get('/')}${post}${burst}`)
    await eventually(() => expect(client.received().match(/<GET>/g)).to.have.length(2 * many + 1), 20_000)
    expect(client.received().match(/<POST>/g)).to.have.length(2)
    expect(bytes).to.equal(2 * body.length)
  })

  it('leave what follows an upgrade to the other protocol', async () => {
    const { server } = await serve((_req, res) => void res.end('answer'))
    server.on('upgrade', (_req, socket: Socket, head: Buffer) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n')
      if (head.length > 0) socket.unshift(head)
      socket.pipe(socket)
    })
    const greedy = await dial(server)
    greedy.socket.write(burst)
    await eventually(() => expect(greedy.received().match(/answer/g)).to.have.length(many), 20_000)
    const client = await dial(server)
    const said = Array.from({ length: 3_000 }, (_, index) => `word ${index};`).join('')
    client.socket.write(`GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n${said}`)
    await eventually(() => expect(client.received().split('\r\n\r\n')[1]).to.equal(said))
    client.socket.write('more')
    await eventually(() => expect(client.received().endsWith(`${said}more`)).to.equal(true))
  })

  it('hold back an address with too many requests under way, and nobody else', async () => {
    const finish: (() => void)[] = []
    const { server } = await serve(
      (req, res) => {
        if (req.headers.from === 'crowd') finish.push(() => res.end('answer'))
        else res.end('answer')
      },
      { bounds: { perAddress: 5, sweepMs: 20 } },
    )
    const crowd = await Promise.all(Array.from({ length: 9 }, () => dial(server)))
    for (const each of crowd) each.socket.write(get('/', 'crowd'))
    await eventually(() => expect(finish).to.have.length(5))
    const other = await dial(server)
    other.socket.write(get('/', 'other'))
    await eventually(() => expect(other.received()).to.match(/answer$/))
    expect(finish).to.have.length(5)
    for (let done = 0; done < 9; done++) (await eventually(() => finish[done] ?? expect.fail('waits')))()
    for (const each of crowd) await eventually(() => expect(each.received()).to.match(/answer$/))
  })

  it('refuse who waits too long for others of its address', async () => {
    const { server } = await serve(() => {}, { bounds: { perAddress: 2, crowdedMs: 50, sweepMs: 20 } })
    const crowd = await Promise.all(Array.from({ length: 3 }, () => dial(server)))
    for (const each of crowd) each.socket.write(get('/', 'crowd'))
    await eventually(() => {
      const refused = crowd.filter((each) => /^HTTP\/1.1 503 [^]*crowded/.test(each.received()))
      expect(refused).to.have.length(1)
    })
  })

  it('do not count a stream that has begun among the requests under way', async () => {
    const { server } = await serve(
      (req, res) => {
        if (req.url === '/stream') res.write('begun')
        else res.end('answer')
      },
      { bounds: { perAddress: 3 } },
    )
    const streams = await Promise.all(Array.from({ length: 8 }, () => dial(server)))
    for (const each of streams) each.socket.write(get('/stream'))
    for (const each of streams) await eventually(() => expect(each.received()).to.match(/begun/))
    const next = await dial(server)
    next.socket.write(get('/'))
    await eventually(() => expect(next.received()).to.match(/answer$/))
  })

  it('do not let clients that send slowly hold back others of their address', async () => {
    const { server } = await serve(
      (req, res) => {
        req.resume()
        req.on('end', () => res.end('answer'))
      },
      { bounds: { perAddress: 3, sweepMs: 20 } },
    )
    const slow = await Promise.all(Array.from({ length: 40 }, () => dial(server)))
    for (const each of slow) each.socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf')
    for (let round = 0; round < 5; round++) {
      const next = await dial(server)
      next.socket.write(get('/'))
      await eventually(() => expect(next.received()).to.match(/answer$/))
    }
  })

  it('outlive clients that break off while they wait', async () => {
    const { server } = await serve((_req, res) => void setImmediate(() => res.end('answer')))
    for (let round = 0; round < 20; round++) {
      const client = await dial(server)
      client.socket.write(burst)
      setImmediate(() => client.socket.resetAndDestroy())
    }
    const other = await dial(server)
    other.socket.write(get('/'))
    await eventually(() => expect(other.received()).to.match(/answer$/))
  })
})
