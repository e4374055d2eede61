import { expect } from 'chai'
import { createControl } from '../../server/cluster/control/control.ts'
import { createLogger } from '../../shared/telemetry/log.ts'

/** A control over numbers that change at once; each objection is asked of a Redis that takes its time. */
function control({ web = 2, jobs = 0, refuses = (_web: number): string | null => null } = {}) {
  const counts = { web, jobs }
  const changes: string[] = []
  const created = createControl({
    supervisor: {
      count: (role) => counts[role],
      has: () => false,
      reload: async () => 0,
      drain: async () => {},
      async scale(role, count) {
        counts[role] = count
        changes.push(`${role} ${count}`)
      },
    },
    hosts: { all: async () => [] },
    recent: { everyMs: 5_000, workers: () => [] },
    host: 'here',
    redis: { embeddedUrl: null, durability: 'fence', keySpace: '' },
    async objection(wanted) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      return refuses(wanted)
    },
    log: createLogger({ level: 'silent', pretty: false }),
  })
  const scale = (numbers: object) => created.answer({ command: 'scale', wait: true, ...numbers })
  return { ...created, scale, counts, changes }
}

describe('changes of the numbers of workers that come close together', () => {
  it('end with the last number, also when only the one before it has to be asked for', async () => {
    const { scale, counts, changes } = control()
    const answers = await Promise.all([scale({ web: 4 }), scale({ web: 1 })])
    expect(counts.web).to.equal(1)
    expect(changes).to.deep.equal(['web 4', 'web 1'])
    expect(answers.map((answer) => answer.ok)).to.deep.equal([true, true])
  })

  it('do not undo each other when one is about web workers and one about job workers', async () => {
    const { scale, counts } = control()
    await Promise.all([scale({ web: 3 }), scale({ jobs: 2 })])
    expect(counts).to.deep.equal({ web: 3, jobs: 2 })
  })

  it('add up when each adds or takes away one, and leave one', async () => {
    const { addWebWorkers, counts } = control()
    await Promise.all([addWebWorkers(1), addWebWorkers(1), addWebWorkers(-1), addWebWorkers(1)])
    expect(counts.web).to.equal(4)
    await Promise.all(Array.from({ length: 6 }, () => addWebWorkers(-1)))
    expect(counts.web).to.equal(1)
  })

  it('go on after one that was refused', async () => {
    const { scale, counts } = control({ refuses: (web) => (web > 4 ? 'that is too many' : null) })
    const answers = await Promise.all([scale({ web: 9 }), scale({ web: 3 })])
    expect(answers).to.deep.equal([
      { ok: false, code: 'not-allowed', message: 'that is too many' },
      { ok: true, result: { web: 3, jobs: 0 } },
    ])
    expect(counts.web).to.equal(3)
  })
})
