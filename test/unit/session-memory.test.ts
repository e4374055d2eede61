import { expect } from 'chai'
import { createSessionMemory } from '../../shared/sessions/cache/session-memory.ts'
import { identityOf } from '../support/identities.ts'
import { createManualClock } from '../support/manual-clock.ts'

describe('The memory of a worker', () => {
  it('gives no session that expired while the machine was suspended, whichever clock went on', () => {
    for (const pass of ['advance', 'suspend'] as const) {
      const clock = createManualClock()
      const memory = createSessionMemory({ clock, maxEntries: 8, maxAgeMs: 600_000, touchEveryMs: 60_000 })
      memory.put({
        token: 'token',
        hash: 'hash',
        identity: identityOf('alice'),
        ttlMs: 500,
        askedAt: clock.mono(),
        askedAtWall: clock.wall(),
        inc: 'a',
        seq: 1,
      })
      clock[pass](499)
      expect(memory.get('token')?.user.id).to.equal('alice')
      clock[pass](1)
      expect(memory.get('token'), pass).to.equal(undefined)
    }
  })
})
