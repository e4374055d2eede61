import { expect } from 'chai'
import { EventEmitter } from 'node:events'
import type { Redis } from 'ioredis'
import { systemClock } from '../../shared/kernel/clock.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { watchIncarnation } from '../../shared/coherence/incarnation-watch.ts'
import { joinDomain } from '../../shared/coherence/membership.ts'
import { eventually } from '../support/eventually.ts'

/** A member of a domain in which Redis answers each sync at once; the test publishes. */
function createMember() {
  const redis = { seq: 0, aheadMs: 0 }
  const acknowledged: number[] = []
  const subscriber = Object.assign(new EventEmitter(), { subscribe: async () => 1, status: 'end' })
  const coherence = joinDomain({
    scripts: {
      async sync({ inc, applied }) {
        acknowledged.push(inc === 'a' ? applied : 0)
        return { inc: 'a', seq: redis.seq, redisMs: Date.now() + redis.aheadMs }
      },
      join: async () => ({ agreed: true, inc: 'a' }),
      leave: async () => {},
    },
    subscriber: subscriber as unknown as Redis,
    channel: 'channel',
    durability: 'keep',
    clock: systemClock,
    incarnations: watchIncarnation(systemClock),
    leaseMs: 2_000,
  })
  return {
    coherence,
    /** Time passes at Redis that does not pass on the clocks of this machine. */
    standStill: (ms: number) => void (redis.aheadMs += ms),
    acknowledged,
    /** Announces a setting; one that is `lost` shows at the next as a gap. */
    announce(text: string, { lost = false, kind = 'setting' } = {}) {
      redis.seq++
      if (!lost) subscriber.emit('message', 'channel', JSON.stringify(['a', redis.seq, kind, text]))
    },
  }
}

/** A follower whose reads of the whole state end when the test lets them. */
function createSlowFollower() {
  const reads: (() => void)[] = []
  return {
    reads,
    applied: [] as string[],
    apply(text: string) {
      this.applied.push(text)
    },
    refresh: () => new Promise<void>((resolve) => reads.push(resolve)),
  }
}

describe('A follower of announcements', () => {
  for (const [what, lost] of [
    ['a gap shows', true],
    ['a message arrives', false],
  ] as const) {
    it(`reads again what it was reading when ${what}, before that is acknowledged`, async () => {
      const member = createMember()
      const follower = createSlowFollower()
      await member.coherence.start()
      try {
        member.coherence.follow('setting', follower)
        member.announce('one', { lost: true })
        member.announce('two')
        await eventually(() => expect(follower.reads).to.have.length(1))
        // What this read finds may be of the time before the next announcements.
        member.announce('three', { lost })
        member.announce('four')
        follower.reads[0]!()
        await eventually(() => expect(follower.reads).to.have.length(2))
        expect(Math.max(...member.acknowledged)).to.be.below(4)
        follower.reads[1]!()
        await eventually(() => expect(member.acknowledged).to.include(4))
      } finally {
        for (const read of follower.reads) read()
        await member.coherence.stop(deadlineIn(1_000))
      }
    })
  }

  it('has an announcement acknowledged only when what it does about it has resolved', async () => {
    const member = createMember()
    const applied: (() => void)[] = []
    member.coherence.follow('setting', {
      apply: () => new Promise<void>((resolve) => applied.push(resolve)),
      refresh() {},
    })
    await member.coherence.start()
    try {
      member.announce('one')
      await eventually(() => expect(applied).to.have.length(1))
      const lease = member.coherence.leaseLeftMs()
      await eventually(() => expect(member.coherence.leaseLeftMs()).to.be.below(lease))
      expect(member.acknowledged).not.to.include(1)
      applied[0]!()
      await eventually(() => expect(member.acknowledged).to.include(1))
    } finally {
      await member.coherence.stop(deadlineIn(1_000))
    }
  })

  it('reads everything again when it failed at an announcement, before that is acknowledged', async () => {
    const member = createMember()
    let refreshed = 0
    member.coherence.follow('setting', {
      apply: () => Promise.reject(new Error('its storage is away')),
      refresh: () => void refreshed++,
    })
    await member.coherence.start()
    try {
      const before = refreshed
      member.announce('one')
      await eventually(() => expect(member.acknowledged).to.include(1))
      expect(refreshed).to.equal(before + 1)
    } finally {
      await member.coherence.stop(deadlineIn(1_000))
    }
  })

  it('gives up what it holds, and its lease, when time passed at Redis that did not pass here', async () => {
    const member = createMember()
    let refreshed = 0
    let leases: boolean[] = []
    member.coherence.follow('setting', {
      apply() {},
      refresh() {
        refreshed++
        leases.push(member.coherence.leaseOk())
      },
    })
    await member.coherence.start()
    try {
      expect(member.coherence.leaseOk()).to.equal(true)
      const before = refreshed
      leases = []
      member.standStill(3_000)
      member.announce('one')
      await eventually(() => expect(refreshed).to.equal(before + 1))
      expect(leases).to.deep.equal([false])
      await eventually(() => expect(member.coherence.leaseOk()).to.equal(true))
      expect(refreshed, 'once').to.equal(before + 1)
    } finally {
      await member.coherence.stop(deadlineIn(1_000))
    }
  })

  it('gives up what it holds at an announcement of a kind that nobody here knows', async () => {
    const member = createMember()
    let refreshed = 0
    member.coherence.follow('setting', { apply() {}, refresh: () => void refreshed++ })
    await member.coherence.start()
    try {
      const before = refreshed
      member.announce('what a later version says', { kind: 'of a later version' })
      expect(refreshed).to.equal(before + 1)
      await eventually(() => expect(member.acknowledged).to.include(1))
    } finally {
      await member.coherence.stop(deadlineIn(1_000))
    }
  })
})
