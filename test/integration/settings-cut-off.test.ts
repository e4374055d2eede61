import { expect } from 'chai'
import { z } from 'zod'
import type { Coherence } from '../../shared/coherence/index.ts'
import { Unavailable } from '../../shared/kernel/errors.ts'
import { openRedis } from '../../shared/kernel/redis/connections.ts'
import { createSettings } from '../../shared/settings/settings.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis } from '../support/redis.ts'
import { startSessionWorker } from '../support/sessions.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'

describe('A worker that is cut off while settings change', () => {
  const afterwards = cleanUpAfterEach()

  it('does not go on with the old ones: it reads them again, or refuses', async () => {
    const redis = await startRedis()
    afterwards(() => redis.stop())
    const proxy = await startTcpProxy({ host: '127.0.0.1', port: Number(new URL(redis.url).port) })
    afterwards(() => proxy.stop())
    const proxied = `redis://127.0.0.1:${proxy.port}`

    async function worker(url: string) {
      const { coherence, stop } = await startSessionWorker(url)
      afterwards(stop)
      const connection = openRedis({ kind: 'single', url }, 'commands')
      afterwards(() => connection.disconnect())
      return { coherence, settings: settingsOver(coherence, connection) }
    }
    const administrator = await worker(redis.url)
    const cutOff = await worker(proxied)
    expect(await cutOff.settings.decide()).to.deep.equal({ closed: false })

    proxy.swallow('commands')
    proxy.swallow('subscriber')
    await administrator.settings.change({ closed: true })
    expect(cutOff.settings.current().values, 'it has not heard').to.deep.equal({ closed: false })
    const decision = await Promise.resolve(cutOff.settings.decide()).catch((failure: unknown) => failure)
    expect(decision).to.be.instanceOf(Unavailable)

    proxy.heal('commands')
    await eventually(
      async () => expect(await cutOff.settings.decide()).to.deep.equal({ closed: true }),
      10_000,
    )
  }).timeout(30_000)
})

function settingsOver(bus: Coherence, redis: ReturnType<typeof openRedis>) {
  return createSettings({
    redis,
    bus,
    key: '{sx}:settings',
    schema: z.strictObject({ closed: z.boolean() }),
    defaults: { closed: false },
    onChange() {},
  })
}
