import { expect } from 'chai'
import { parseRecorded } from '../../shared/coherence/index.ts'
import { maximumLeaseMs } from '../../shared/coherence/constants.ts'

describe('What Redis says of the members', () => {
  const membersOf = (...flat: string[]) => parseRecorded(['a', 7, '1', flat, 1], 'test').members

  it('is how far each is, and its lease', () => {
    expect(membersOf('w1', '6:1000:9')).to.deep.equal([
      { id: 'w1', value: '6:1000:9', applied: 6, leaseMs: 1_000 },
    ])
  })

  it('counts as the worst where it can not be read: it has applied nothing, and has the longest lease', () => {
    for (const value of ['garbage', '', '6:1000', '6:0:9', 'x:1000:9', '6:99999999:9']) {
      const [member] = membersOf('w1', value)
      expect(member?.leaseMs, value).to.equal(maximumLeaseMs)
      if (!/^\d+:\d+:\d+$/.test(value)) expect(member?.applied, value).to.equal(-1)
    }
  })
})
