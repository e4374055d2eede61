import { expect } from 'chai'
import { maximumLeaseMs, openCoherence, type CoherenceOptions } from '../../shared/coherence/index.ts'

describe('The lease that an application asks for', () => {
  for (const leaseMs of [maximumLeaseMs + 1, Infinity, NaN, 0, -1]) {
    it(`is refused when nobody would wait for it to end: ${leaseMs}`, () => {
      expect(() => openCoherence({ leaseMs } as CoherenceOptions)).to.throw(RangeError, /leaseMs/)
    })
  }
})
