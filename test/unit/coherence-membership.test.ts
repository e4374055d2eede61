import { EventEmitter } from 'node:events'
import { expect } from 'chai'
import type { Redis } from 'ioredis'
import { clockToleranceMs, maximumLeaseMs, stallMs, surely } from '../../shared/coherence/constants.ts'
import { watchIncarnation } from '../../shared/coherence/incarnation-watch.ts'
import { joinDomain } from '../../shared/coherence/membership.ts'
import type { SyncRequest } from '../../shared/coherence/scripts.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { eventually } from '../support/eventually.ts'
import { createManualClock } from '../support/manual-clock.ts'

describe('A membership of the coherence domain', () => {
  const cleanUp = cleanUpAfterEach()

  /** A member of a Redis that is only what is said here; `time.lost` is what has passed there and not here. */
  async function join() {
    const clock = createManualClock()
    const time = { lost: 0 }
    const domain = { inc: 'a', seq: 0 }
    const syncs: SyncRequest[] = []
    let refreshed = 0
    let replies: Promise<void> = Promise.resolve()
    let effects: Promise<void> = Promise.resolve()
    const subscriber = Object.assign(new EventEmitter(), { subscribe: async () => 1 })
    const member = joinDomain({
      scripts: {
        join: async () => ({ agreed: true, inc: domain.inc }),
        async sync(request) {
          syncs.push(request)
          const reply = { ...domain, redisMs: clock.mono() + time.lost }
          await replies
          return reply
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
    member.follow('thing', { apply: () => effects, refresh: () => void refreshed++ })
    await member.start()
    cleanUp(() => member.stop(deadlineIn(1_000)))
    await eventually(() => expect(member.leaseOk()).to.equal(true))
    return {
      member,
      clock,
      time,
      domain,
      syncs,
      refreshed: () => refreshed,
      tell: (...message: unknown[]) => subscriber.emit('message', 'channel', JSON.stringify(message)),
      /** Replies, or what its follower does, take until the function is called. */
      answerLate() {
        let answer = () => {}
        replies = new Promise((resolve) => (answer = resolve))
        return answer
      },
      hold() {
        let release = () => {}
        effects = new Promise((resolve) => (release = resolve))
        return release
      },
    }
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

  it('counts its lease from before the renewal was sent, however late its reply', async () => {
    const { member, clock, syncs, answerLate } = await join()
    // The lease that it has is older than the one that it asks for.
    clock.advance(100)
    const reply = answerLate()
    const sent = syncs.length
    await eventually(() => expect(syncs.length).to.be.above(sent))
    const sentAt = clock.mono()
    clock.advance(200)
    reply()
    await eventually(() => expect(member.leaseLeftMs()).to.equal(sentAt + 1_000 - clock.mono()))
  })

  it('says that an incarnation is settled only when it has known it for longer than any lease', async () => {
    const { clock, syncs } = await join()
    const last = () => syncs.at(-1)!
    for (let passed = 0; passed < surely(maximumLeaseMs) - 200; passed += 200) {
      const sent = syncs.length
      await eventually(() => expect(syncs.length).to.be.above(sent))
      expect(last().settled, `after ${passed} ms`).to.equal(false)
      clock.advance(200)
    }
    clock.advance(200)
    await eventually(() => expect(last().settled).to.equal(true))
  })

  it('gives up what it holds when messages that Redis has sent do not come, and has a lease again', async () => {
    const { member, domain, syncs, refreshed } = await join()
    const before = refreshed()
    domain.seq = 5
    await eventually(() => expect(refreshed()).to.equal(before + 1))
    await eventually(() => expect(syncs.at(-1)?.applied).to.equal(5))
    await eventually(() => expect(member.leaseOk()).to.equal(true))
  })

  it('knows what it has applied itself, once that has taken effect', async () => {
    const { member, tell, hold } = await join()
    const stamp = { inc: 'a', seq: 1 }
    expect(member.hasApplied(member.memberId, stamp)).to.equal(false)
    const release = hold()
    tell('a', 1, 'thing', 'x')
    expect(member.hasApplied(member.memberId, stamp), 'its follower is still at it').to.equal(false)
    release()
    await eventually(() => expect(member.hasApplied(member.memberId, stamp)).to.equal(true))
    expect(member.hasApplied('another', stamp)).to.equal(false)
    expect(member.hasApplied(member.memberId, { inc: 'b', seq: 1 })).to.equal(false)
    expect(member.hasApplied(member.memberId, { inc: 'a', seq: 2 })).to.equal(false)
  })
})
