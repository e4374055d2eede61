/** Jobs and schedules of somebody's own app: `openQueues`. */
import { expect } from 'chai'
import { Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis-5'
import {
  ConfigurationError,
  deadlineIn,
  defineJob,
  defineSchedule,
  openQueues,
  z,
} from '../../shared/queues/index.ts'
import { createLogger } from '../../shared/telemetry/log.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { rejection } from '../support/rejection.ts'

interface Services {
  readonly sent: string[]
}

const log = createLogger({ level: 'silent', pretty: false })
const mail = defineJob({
  name: 'mail',
  payload: z.strictObject({ to: z.string() }),
  async handler({ data }, { sent }: Services) {
    sent.push(data.to)
    return `to ${data.to}`
  },
})
const tick = defineSchedule({
  name: 'often',
  job: mail,
  data: { to: 'clock' },
  everyMs: 300,
  misfire: 'skip',
  overlap: 'allow',
})
let names = 0

describe('the queues of an app with its own server', function () {
  this.timeout(30_000)
  const cleanUp = cleanUpAfterEach()
  let redis: TestRedis

  before(async () => {
    redis = await startRedis()
  })
  after(() => redis.stop())
  beforeEach(() => void names++)

  async function open(options: Partial<Parameters<typeof openQueues<Services>>[0]> = {}) {
    const queues = openQueues<Services>({
      name: `shop ${names}`,
      redis: redis.url,
      app: 'shop',
      jobs: [mail],
      ...options,
    })
    await queues.start()
    cleanUp(() => queues.stop(deadlineIn(2_000)))
    return queues
  }

  async function work(queues: Awaited<ReturnType<typeof open>>) {
    const sent: string[] = []
    const workers = queues.workers({ services: { sent }, log })
    await workers.start()
    cleanUp(() => workers.stop(deadlineIn(5_000)))
    return sent
  }

  for (const [version, make] of [
    ['a URL', () => redis.url],
    ['clients of our ioredis', () => () => new Redis(redis.url)],
    ['clients of the ioredis before ours', () => () => new Redis5(redis.url)],
  ] as const) {
    it(`are asked in one process and do their work in another, with ${version}`, async () => {
      const asking = await open({ redis: make() })
      const sent = await work(await open({ redis: make() }))
      const id = await asking.enqueue(mail, { to: 'ada' }, { dedupeKey: 'once' })
      expect(await asking.enqueue(mail, { to: 'ada' }, { dedupeKey: 'once' })).to.equal(id)
      await eventually(async () =>
        expect(await asking.find('mail', id)).to.include({ state: 'completed', result: 'to ada' }),
      )
      expect(sent).to.deep.equal(['ada'])
    })
  }

  it("share the work of one client that stays the application's own", async () => {
    const own = new Redis(redis.url)
    cleanUp(() => own.disconnect())
    const queues = await open({ redis: own })
    const sent = await work(queues)
    await queues.enqueueMany(mail, [{ payload: { to: 'a' } }, { payload: { to: 'b' } }])
    await eventually(() => expect(sent.toSorted()).to.deep.equal(['a', 'b']))
    expect(await own.ping()).to.equal('PONG')
  })

  it('keep schedules, one run a tick over two processes', async () => {
    const queues = await open({ schedules: [tick] })
    const sents = [await work(queues), await work(await open({ schedules: [tick] }))]
    await eventually(() => expect(sents.flat().length).to.be.greaterThan(3))
    const { completed } = (await queues.measure())['mail'] ?? { completed: 0 }
    expect(Math.abs(completed - sents.flat().length)).to.be.lessThan(2)
    const [shown] = await queues.schedules.list()
    expect(shown).to.include({ name: 'often', job: 'mail', pattern: 'every 300 ms' })
    expect(await queues.schedules.pause('often')).to.equal(true)
    expect(await queues.schedules.runNow('often')).to.include({ job: 'mail' })
  })

  it('of two names never meet', async () => {
    const one = await open()
    const other = await open({ name: `other ${names}` })
    const sent = await work(other)
    await one.enqueue(mail, { to: 'nobody here' })
    await other.enqueue(mail, { to: 'us' })
    await eventually(() => expect(sent).to.deep.equal(['us']))
  })

  it('are refused what can not be meant, all at once and before anything is connected', () => {
    const wrong = () =>
      openQueues({ name: '', redis: 'x', jobs: [mail, mail], schedules: [tick], retries: 3 } as never)
    for (const said of [
      'name is missing',
      'is no address of a Redis',
      'two jobs are called mail',
      'there is no option retries',
    ]) {
      expect(wrong).to.throw(ConfigurationError).with.property('message').that.includes(said)
    }
    expect(() => openQueues({ name: 'shop', redis: redis.url, jobs: [], schedules: [tick] })).to.throw(
      'the schedule often is of the job mail, which is not in jobs',
    )
  })

  it("are refused a Redis that evicts, and another application's name", async () => {
    const evicting = await startRedis({ config: { maxmemory: '50mb', 'maxmemory-policy': 'allkeys-lru' } })
    cleanUp(() => evicting.stop())
    const queues = openQueues<Services>({ name: 'shop', redis: evicting.url, jobs: [mail] })
    expect(String(await rejection(queues.start()))).to.include('has maxmemory-policy allkeys-lru')
    await open()
    expect(String(await rejection(open({ app: 'warehouse' })))).to.include('belongs to another application')
    expect(await rejection(queues.enqueue(mail, { to: 'x' }))).to.have.property('name', 'NotStarted')
  })

  it('take a payload by the schema of its job alone', async () => {
    const queues = await open()
    expect(await rejection(queues.enqueue(mail, { to: 7 } as never))).to.have.property(
      'name',
      'InvalidPayload',
    )
  })
})
