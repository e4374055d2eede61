import { expect } from 'chai'
import { promotionPatienceMs, promotionStuckMs } from '../../shared/coherence/constants.ts'
import { watchPromotion, type PrimaryView } from '../../shared/coherence/promotion.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { eventually } from '../support/eventually.ts'
import { createManualClock } from '../support/manual-clock.ts'

describe('The watch over a promotion', () => {
  const cleanUp = cleanUpAfterEach()

  /** A promoted node that nobody follows. */
  const abandoned: PrimaryView = {
    standing: 'pending',
    replid: 'new',
    followed: 'old',
    listed: ['a', 'b'],
    replicas: [],
  }

  it('looks the primary up again while a promoted node gets no votes: it may have been replaced itself', async () => {
    const clock = createManualClock()
    const calls: string[] = []
    let looks = 0
    const promotion = watchPromotion({
      scripts: {
        async describePrimary() {
          looks++
          return abandoned
        },
        enlist: async () => {},
        openPromoted: async () => false,
        async giveUpPromoted() {
          calls.push('given up')
          return true
        },
      },
      openNode: () => expect.fail('there is no replica to ask'),
      dataNodes: 3,
      clock,
      onOpened: () => calls.push('opened'),
      onStuck: () => calls.push('looked up'),
    })
    await promotion.start()
    cleanUp(() => promotion.stop(deadlineIn(1_000)))
    const looked = async (times: number) => {
      const before = looks
      await eventually(() => expect(looks).to.be.at.least(before + times))
    }
    await looked(2)
    expect(calls).to.deep.equal([])
    clock.advance(promotionStuckMs)
    await looked(3)
    expect(calls, 'once in that time').to.deep.equal(['looked up'])
    clock.advance(promotionStuckMs)
    await looked(2)
    expect(calls).to.deep.equal(['looked up', 'looked up'])
    clock.advance(promotionPatienceMs)
    await looked(2)
    expect(calls.slice(0, 4)).to.deep.equal(['looked up', 'looked up', 'given up', 'opened'])
  })
})
