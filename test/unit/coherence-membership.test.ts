import { EventEmitter } from 'node:events'
import { expect } from 'chai'
import type { Redis } from 'ioredis'
import { clockToleranceMs, stallMs } from '../../shared/coherence/constants.ts'
import { watchIncarnation } from '../../shared/coherence/incarnation-watch.ts'
import { joinDomain } from '../../shared/coherence/membership.ts'
import type { SyncReply, SyncRequest } from '../../shared/coherence/scripts.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { eventually } from '../support/eventually.ts'
import { createManualClock } from '../support/manual-clock.ts'

describe('A membership of the coherence domain', () => {
  const cleanUp = cleanUpAfterEach()

  /** A member whose Redis is `answer`, with a clock of its own; `time.lost` is what has passed there and not here. */
  async function join({ answer = (reply: SyncReply) => reply as SyncReply | Promise<SyncReply> } = {}) {
    const clock = createManualClock()
    const time = { lost: 0 }
    const domain = { inc: 'a', seq: 0 }
    const syncs: SyncRequest[] = []
    let refreshed = 0
    const subscriber = Object.assign(new EventEmitter(), { subscribe: async () => 1 })
    const member = joinDomain({
      scripts: {
        join: async () => ({ agreed: true, inc: domain.inc }),
        async sync(request) {
          syncs.push(request)
          return answer({ ...domain, redisMs: clock.mono() + time.lost })
        },
        leave: async () => {},
      },
      subscriber: subscriber as unknown as Redis,
      channel: 'channel',
      clock,
      durability: 'keep',
      incarnations: watchIncarnation(clock),
      leaseMs: 1_000,
    })
    member.follow('thing', { apply() {}, refresh: () => void refreshed++ })
    await member.start()
    cleanUp(() => member.stop(deadlineIn(1_000)))
    await eventually(() => expect(member.leaseOk()).to.equal(true))
    const tell = (...message: unknown[]) => subscriber.emit('message', 'channel', JSON.stringify(message))
    return { member, clock, time, domain, syncs, tell, refreshed: () => refreshed }
  }

  it('asks Redis at once after its event loop stood still, and decides nothing meanwhile', async () => {
    const { member, clock, syncs } = await join()
    // By the next renewal it has looked at its event loop more than once.
    const joined = syncs.length
    await eventually(() => expect(syncs.length).to.be.above(joined))
    clock.advance(stallMs + 1)
    const before = syncs.length
    expect(member.leaseOk()).to.equal(false)
    await eventually(() => expect(member.leaseOk()).to.equal(true))
    expect(syncs.length).to.be.above(before)
  })

  it('drops everything when more time has passed at Redis than on its own clocks', async () => {
    const { member, time, syncs, refreshed } = await join()
    const before = refreshed()
    time.lost = 10_000
    await eventually(() => expect(refreshed()).to.equal(before + 1))
    await eventually(() => expect(member.leaseOk()).to.equal(true))
    time.lost += clockToleranceMs
    const sent = syncs.length
    await eventually(() => expect(syncs.length).to.be.above(sent + 1))
    expect(refreshed(), 'as much as clocks are adjusted').to.equal(before + 1)
  })
})
