import { expect } from 'chai'
import { maximumLeaseMs } from '../../shared/coherence/constants.ts'
import { createSessions, type SessionOptions } from '../../shared/sessions/create-sessions.ts'

describe('The lease that an application asks for', () => {
  for (const leaseMs of [maximumLeaseMs + 1, Infinity, NaN, 0, -1]) {
    it(`is refused when nobody would wait for it to end: ${leaseMs}`, () => {
      expect(() => createSessions({ leaseMs } as SessionOptions)).to.throw(RangeError, /leaseMs/)
    })
  }
})
