import { expect } from 'chai'
import { eventually } from '../support/eventually.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { signIn, startSessionWorker, type TestWorker } from '../support/sessions.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

describe('A worker whose subscriber is silently dead', () => {
  let redis: TestRedis
  let proxy: TcpProxy
  let worker: TestWorker

  beforeEach(async () => {
    redis = await startRedis()
    proxy = await startTcpProxy({ host: '127.0.0.1', port: Number(new URL(redis.url).port) })
    worker = await startSessionWorker(`redis://127.0.0.1:${proxy.port}`)
    await eventually(() => expect(proxy.alive('subscriber')).to.equal(1))
  })

  afterEach(async () => {
    await worker.stop()
    await proxy.stop()
    await redis.stop()
  })

  /** It hears of revocations without having to find out at a renewal that it is behind. */
  async function expectToHear(): Promise<void> {
    const { applied } = worker.coherence.counters
    await worker.sessions.revokeUser('nobody')
    await eventually(() => expect(worker.coherence.counters.applied).to.be.above(applied), 1_000)
  }

  it('confirms revocations all the same, and hears again after a while', async () => {
    proxy.swallow('subscriber')
    const { token } = await signIn(worker)
    expect(await worker.sessions.revoke(token)).to.include({ outcome: 'revoked', count: 1 })
    proxy.heal('subscriber')
    await eventually(expectToHear, 10_000)
    expect(worker.coherence.counters.subscriberResets).to.be.above(0)
  })

  it('hears again after its new connection was swallowed before it was ready', async () => {
    proxy.swallow('subscriber')
    proxy.swallow('commands')
    proxy.cut('subscriber')
    await eventually(() => expect(worker.coherence.counters.syncFailures).to.be.above(2))
    proxy.heal('subscriber')
    proxy.heal('commands')
    await eventually(expectToHear, 15_000)
  })
})
