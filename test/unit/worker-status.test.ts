import { expect } from 'chai'
import { inOrder } from '../../server/cluster/supervision/worker-status.ts'
import type { WorkerStatus } from '../../shared/process/control-request.ts'

describe('the workers as an administrator sees them', () => {
  it('stand in the order of their slots after a scale, web workers before job workers', () => {
    const status = (host: string, id: string, startedAt: number | null): WorkerStatus => ({
      host,
      id,
      kind: id.startsWith('web') ? 'web' : 'jobs',
      startedAt,
      pid: null,
      state: 'ready',
      leaseMs: null,
      cachedSessions: null,
      eventLoopLagMs: null,
      rssBytes: null,
      requests: null,
      revocationMs: null,
      restarts: 0,
    })
    // As a scale from 2 to 10 workers, and a reload of the first, leave them.
    const workers = [
      status('b', 'web-1', 1),
      status('a', 'web-10', 5),
      status('a', 'jobs-1', 1),
      status('a', 'web-1', 9),
      status('a', 'web-2', 2),
      status('a', 'web-1', 1),
      status('a', 'web-3', null),
    ]
    expect(inOrder(workers).map(({ host, id, startedAt }) => `${host} ${id} ${startedAt}`)).to.deep.equal([
      'a web-1 1',
      'a web-1 9',
      'a web-2 2',
      'a web-3 null',
      'a web-10 5',
      'a jobs-1 1',
      'b web-1 1',
    ])
  })
})
