import { expect } from 'chai'
import type { Redis } from 'ioredis'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { openRedis } from '../../shared/kernel/redis/connections.ts'
import type { Arrived } from '../../shared/live/room-event.ts'
import { createBroadcast } from '../../shared/live/broadcast.ts'
import { openRooms, type Rooms } from '../../shared/live/rooms.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

describe('rooms', () => {
  let redis: TestRedis
  let proxy: TcpProxy
  const connections: Redis[] = []
  const opened: Rooms[] = []

  before(async () => {
    redis = await startRedis()
    const { hostname: host, port } = new URL(redis.url)
    proxy = await startTcpProxy({ host, port: Number(port) })
  })

  after(async () => {
    await Promise.all(opened.map((rooms) => rooms.stop(deadlineIn(1_000))))
    for (const connection of connections) connection.disconnect()
    await proxy.stop()
    await redis.stop()
  })

  /** What one worker has, by the proxy when its subscription is to break. */
  async function openWorker(options: { keep?: { events: number; ms: number }; subscriberUrl?: string } = {}) {
    const { subscriberUrl = redis.url, ...rest } = options
    const commands = openRedis({ kind: 'single', url: redis.url }, 'commands')
    const subscriber = openRedis({ kind: 'single', url: subscriberUrl }, 'subscriber')
    connections.push(commands, subscriber)
    const rooms = openRooms({ redis: commands, subscriber })
    opened.push(rooms)
    await rooms.start()
    return { ...rooms, broadcast: createBroadcast({ redis: commands, ...rest }) }
  }

  const dataOf = (events: readonly Arrived[]) => events.map(({ data }) => data)

  it('reach whoever joined the channel, on every worker, and nobody who left', async () => {
    const [one, other] = [await openWorker(), await openWorker()]
    const heard: Arrived[] = []
    const left: Arrived[] = []
    await one.join('news', (event) => void heard.push(event))
    await other.join('news', (event) => void heard.push(event))
    const leave = await other.join('news', (event) => void left.push(event))
    leave()
    await one.broadcast('news', { data: 'hello', event: 'greeting' })
    await other.broadcast('sport', 'elsewhere')
    await eventually(() => {
      expect(heard).to.deep.equal([
        { data: 'hello', event: 'greeting' },
        { data: 'hello', event: 'greeting' },
      ])
    })
    expect(left).to.deep.equal([])
  })

  it('reach a user or one session wherever they are', async () => {
    const [one, other] = [await openWorker(), await openWorker()]
    const heard: string[] = []
    one.joinAs({ user: 'ada', session: 's1' }, ({ data }) => void heard.push(`1 ${data}`))
    const leave = other.joinAs({ user: 'ada', session: 's2' }, ({ data }) => void heard.push(`2 ${data}`))
    await one.broadcast({ user: 'ada' }, 'to all')
    await eventually(() => expect(heard.toSorted()).to.deep.equal(['1 to all', '2 to all']))
    await one.broadcast({ session: 's2' }, 'to one')
    await eventually(() => expect(heard).to.include('2 to one'))
    leave()
    await one.broadcast({ user: 'ada' }, 'again')
    await eventually(() => expect(heard).to.include('1 again'))
    expect(heard).to.not.include.members(['1 to one', '2 again'])
  })

  it('tell those who come back what they missed, in order and once', async () => {
    const worker = await openWorker()
    const seen: Arrived[] = []
    const leave = await worker.join('replayed', (event) => void seen.push(event))
    for (const data of ['1', '2']) await worker.broadcast('replayed', data, { replay: true })
    await eventually(() => expect(dataOf(seen)).to.deep.equal(['1', '2']))
    leave()
    for (const data of ['3', '4']) await worker.broadcast('replayed', data, { replay: true })
    const again: Arrived[] = []
    const joining = worker.join('replayed', (event) => void again.push(event), { after: seen[0]?.id ?? null })
    await worker.broadcast('replayed', '5', { replay: true })
    await joining
    await eventually(() => expect(dataOf(again)).to.deep.equal(['2', '3', '4', '5']))
  })

  it('say so when what was missed is not kept any more', async () => {
    const worker = await openWorker({ keep: { events: 1, ms: 60_000 } })
    for (let n = 0; n < 300; n++) await worker.broadcast('short', String(n), { replay: true })
    let gaps = 0
    await worker.join('short', () => {}, { after: '1-0', onGap: () => gaps++ })
    expect(gaps).to.equal(1)
  })

  it('make good what a broken subscription missed, for events that are kept', async () => {
    const worker = await openWorker({ subscriberUrl: `redis://127.0.0.1:${proxy.port}` })
    const teller = await openWorker()
    const seen: Arrived[] = []
    await worker.join('broken', (event) => void seen.push(event))
    await teller.broadcast('broken', '1', { replay: true })
    await eventually(() => expect(dataOf(seen)).to.deep.equal(['1']))
    proxy.cut('subscriber')
    await teller.broadcast('broken', '2', { replay: true })
    await teller.broadcast('broken', '3', { replay: true })
    await eventually(() => expect(dataOf(seen)).to.deep.equal(['1', '2', '3']))
    await teller.broadcast('broken', '4', { replay: true })
    await eventually(() => expect(dataOf(seen)).to.deep.equal(['1', '2', '3', '4']))
  })

  it('bear whatever else is published there', async () => {
    const worker = await openWorker()
    const seen: Arrived[] = []
    await worker.join('odd', (event) => void seen.push(event))
    const [connection] = connections
    for (const text of ['', 'null', '[]', '[1,2]', '["x","{}"]', '{"data":"x"}']) {
      await connection?.publish('lv:room:odd', text)
      await connection?.publish('lv:people', text)
    }
    await worker.broadcast('odd', 'fine')
    await eventually(() => expect(dataOf(seen)).to.deep.equal(['fine']))
  })

  it('refuse names that are no channels, and keeping what is told to a user', async () => {
    const worker = await openWorker()
    for (const name of ['', 'a b', 'x'.repeat(129), 'a\nb']) {
      const refused = await worker.broadcast(name, 'x').catch((cause: unknown) => cause)
      expect(refused).to.be.instanceOf(TypeError)
    }
    const refused = await worker
      .broadcast({ user: 'ada' }, 'x', { replay: true })
      .catch((cause: unknown) => cause)
    expect(refused).to.be.instanceOf(TypeError)
  })
})
