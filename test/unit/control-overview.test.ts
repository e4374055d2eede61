import { expect } from 'chai'
import { createControl } from '../../server/cluster/control/control.ts'
import { followRecent } from '../../server/cluster/control/recent.ts'
import type { TellProgress } from '../../server/cluster/supervision/supervisor.ts'
import type { WorkerStatus } from '../../shared/process/control-request.ts'
import { createLogger } from '../../shared/telemetry/log.ts'
import { eventually } from '../support/eventually.ts'

describe('The overview of a primary', () => {
  const log = createLogger({ level: 'silent', pretty: false })

  function controlOver(reload: (tell: TellProgress) => Promise<number>) {
    const { answer } = createControl({
      supervisor: {
        count: () => 1,
        has: () => false,
        reload: (tell = () => {}) => reload(tell),
        async drain() {},
        async scale() {},
      },
      hosts: { all: async () => [] },
      recent: { everyMs: 5_000, workers: () => [] },
      host: 'here',
      redis: { embeddedUrl: null, durability: 'fence', keySpace: '' },
      objection: async () => null,
      log,
    })
    return {
      answer,
      async operations() {
        const overview = (await answer({ command: 'overview' })) as { result: { operations: any[] } }
        return overview.result.operations
      },
    }
  }

  it('tells how far a reload is while it goes on, and that it is done', async () => {
    let finish = () => {}
    const { answer, operations } = controlOver(async (tell) => {
      tell({ step: 'starting', worker: 'web-1', pid: 1 })
      tell({ step: 'ended', worker: 'web-1', pid: 1 })
      await new Promise<void>((resolve) => (finish = resolve))
      return 2
    })
    await answer({ command: 'reload' })
    const [running] = await operations()
    expect(running).to.include({
      command: 'reload',
      outcome: 'running',
      endedAt: null,
      replaced: 1,
      workers: 2,
    })
    expect(running.steps.map(({ step }: { step: string }) => step)).to.deep.equal(['starting', 'ended'])
    finish()
    await eventually(async () => expect((await operations())[0].outcome).to.equal('done'))
  })

  it('tells why a reload failed', async () => {
    const { answer, operations } = controlOver(async () => {
      throw new Error('the build is broken')
    })
    await answer({ command: 'reload' })
    await eventually(async () =>
      expect((await operations())[0]).to.include({ outcome: 'failed', message: 'the build is broken' }),
    )
  })

  it('has what each worker answered a second, and knows a new process from the one before', async () => {
    const worker: WorkerStatus = {
      id: 'web-1',
      kind: 'web',
      pid: 10,
      host: 'here',
      state: 'ready',
      startedAt: 0,
      leaseMs: 900,
      cachedSessions: 3,
      eventLoopLagMs: 1,
      rssBytes: 1_000,
      requests: 100,
      revocationMs: null,
      restarts: 0,
    }
    const samples = [
      worker,
      { ...worker, requests: 150 },
      { ...worker, requests: 150 },
      { ...worker, pid: 11, requests: 20 },
      { ...worker, pid: 11, requests: 21 },
    ]
    let taken = 0
    const { sample, workers } = followRecent({
      all: async () => [samples[taken++]!],
      now: () => taken * 5_000,
      kept: 4,
    })
    for (const _ of samples) await sample()
    expect(workers()).to.deep.equal([
      {
        id: 'web-1',
        kind: 'web',
        host: 'here',
        requestsPerSecond: [10, 0, null, 0.2],
        eventLoopLagMs: [1, 1, 1, 1],
        rssBytes: [1_000, 1_000, 1_000, 1_000],
        cachedSessions: [3, 3, 3, 3],
        revocationMs: [null, null, null, null],
      },
    ])
  })
})
