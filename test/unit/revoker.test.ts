import { expect } from 'chai'
import { maximumLeaseMs, revocationPatienceMs, surely } from '../../shared/coherence/constants.ts'
import { watchIncarnation } from '../../shared/coherence/incarnation-watch.ts'
import { createRevoker } from '../../shared/coherence/revoker.ts'
import type { DurabilityMode, Member, Recorded, Stamp, Waited } from '../../shared/coherence/index.ts'
import { createManualClock } from '../support/manual-clock.ts'

const leaseMs = 1_000

function member(id: string, applied: number, lease = leaseMs): Member {
  return { id, applied, leaseMs: lease, value: `${applied}:${lease}:1` }
}

function recorded(members: readonly Member[], details: Partial<Recorded> = {}): Recorded {
  return { inc: 'a', seq: 7, settled: true, members, count: 1, ...details }
}

function replyError(message: string): Error {
  return Object.assign(new Error(message), { name: 'ReplyError' })
}

type Acks = { inc: string; members: Member[] }

/** A revoker whose looks at the acknowledgements take `lookMs` each and find what `acks` says at that time. */
function createSubject(
  acks: (elapsedMs: number) => Acks | Error,
  {
    lookMs = 50,
    durability = 'fence' as DurabilityMode,
    appliedHere = (_id: string, _stamp: Stamp): boolean => false,
  } = {},
) {
  const clock = createManualClock()
  const start = clock.mono()
  const elapsed = () => clock.mono() - start
  const expelled: Member[] = []
  const waits: Waited[] = []
  const revoker = createRevoker({
    clock,
    durability,
    incarnations: watchIncarnation(clock),
    appliedHere,
    async acks() {
      clock.advance(lookMs)
      const found = acks(elapsed())
      if (found instanceof Error) throw found
      return { seq: 0, ...found }
    },
    expel: async (_inc, silent) => void expelled.push(silent),
    onWaited: (waited) => waits.push(waited),
  })
  return { revoker, clock, elapsed, expelled, waits }
}

describe('The revoker', () => {
  it('succeeds at once when every member has applied it already', async () => {
    const { revoker, elapsed } = createSubject(() => new Error('not needed'))
    const told = await revoker.confirm(async () => recorded([member('w1', 7)]))
    expect(told.confirmed).to.equal(true)
    expect(elapsed()).to.equal(0)
  })

  it('waits for the acknowledgement of each member', async () => {
    const { revoker, elapsed, expelled, waits } = createSubject((ms) => ({
      inc: 'a',
      members: [member('w1', ms >= 100 ? 7 : 6), member('w2', ms >= 300 ? 8 : 6)],
    }))
    const told = await revoker.confirm(async () => recorded([member('w1', 6), member('w2', 6)]))
    expect(told.confirmed).to.equal(true)
    expect(elapsed()).to.equal(300)
    expect(expelled).to.deep.equal([])
    expect(waits).to.deep.equal([{ ms: 300, acks: 2, silent: [] }])
  })

  it('need not ask Redis how far its own process is', async () => {
    const appliedHere = (id: string, { inc, seq }: Stamp) => id === 'own' && inc === 'a' && seq <= 7
    const { revoker, elapsed } = createSubject(() => new Error('not needed'), { appliedHere })
    const told = await revoker.confirm(async () => recorded([member('own', 6)]))
    expect(told.confirmed).to.equal(true)
    expect(elapsed()).to.equal(0)

    const behind = createSubject(() => ({ inc: 'a', members: [member('own', 7)] }), { appliedHere })
    await behind.revoker.confirm(async () => recorded([member('own', 6)], { seq: 8 }))
    expect(behind.elapsed(), 'it has not applied this one').to.be.at.least(surely(leaseMs))
  })

  it('asks Redis once all the same where data goes on over a restart', async () => {
    const acks = () => ({ inc: 'a', members: [] })
    const { revoker, elapsed } = createSubject(acks, { appliedHere: () => true, durability: 'keep' })
    const told = await revoker.confirm(async () => recorded([member('own', 6)]))
    expect(told.confirmed).to.equal(true)
    expect(elapsed()).to.equal(50)

    const full = createSubject(() => replyError('MISCONF its disk is full'), {
      appliedHere: () => true,
      durability: 'keep',
    })
    expect((await full.revoker.confirm(async () => recorded([member('own', 6)]))).confirmed).to.equal(false)
  })

  it('outwaits the lease of a member that stays silent, and expels it with the value seen', async () => {
    const silent = member('w1', 6)
    const { revoker, elapsed, expelled } = createSubject(() => ({
      inc: 'a',
      members: [{ ...silent, value: 'heard of since' }],
    }))
    const told = await revoker.confirm(async () => recorded([silent]))
    expect(told.confirmed).to.equal(true)
    expect(elapsed())
      .to.be.at.least(surely(leaseMs))
      .and.below(surely(leaseMs) + 51)
    expect(expelled).to.deep.equal([silent])
  })

  it('says how many members there were, how many of them were silent, and how long it took', async () => {
    const { revoker, elapsed } = createSubject(() => ({
      inc: 'a',
      members: [member('w2', 7), member('w3', 6)],
    }))
    const told = await revoker.confirm(async () =>
      recorded([member('w1', 7), member('w2', 6), member('w3', 6)]),
    )
    expect(told).to.have.property('proof').that.deep.equals({ members: 3, silent: 1, ms: elapsed() })
  })

  it('counts that lease from after the reply, however long Redis took to record', async () => {
    const silent = member('w1', 6)
    const { revoker, clock, elapsed } = createSubject(() => ({ inc: 'a', members: [silent] }))
    await revoker.confirm(async () => {
      clock.advance(900)
      return recorded([silent])
    })
    expect(elapsed()).to.be.at.least(900 + surely(leaseMs))
  })

  it('waits as long as the longest lease among the silent, whatever this worker asks for itself', async () => {
    const members = [member('w1', 6, 500), member('w2', 6, 1_900)]
    const { revoker, elapsed } = createSubject(() => ({ inc: 'a', members }))
    await revoker.confirm(async () => recorded(members))
    expect(elapsed()).to.be.at.least(surely(1_900))
  })

  it('does not take a member that vanished for one that has acknowledged', async () => {
    const { revoker, elapsed } = createSubject(() => ({ inc: 'a', members: [] }))
    await revoker.confirm(async () => recorded([member('w1', 6)]))
    expect(elapsed()).to.be.at.least(surely(leaseMs))
  })

  it('outwaits the leases when Redis goes away after having recorded', async () => {
    const { revoker, elapsed } = createSubject(() => new Error('Redis is away'))
    const told = await revoker.confirm(async () => recorded([member('w1', 6)]))
    expect(told.confirmed).to.equal(true)
    expect(elapsed()).to.be.at.least(surely(leaseMs))
  })

  for (const refusal of ['MISCONF', 'READONLY', 'NOREPLICAS', 'OOM']) {
    it(`confirms nothing when Redis says ${refusal} while it waits: what it recorded may be lost`, async () => {
      const { revoker, elapsed } = createSubject(() => replyError(`${refusal} can't be written`))
      const told = await revoker.confirm(async () => recorded([member('w1', 6)]))
      expect(told.confirmed).to.equal(false)
      expect(elapsed()).to.be.below(surely(leaseMs))
    })
  }

  it('takes a Redis that answers with an error for one that can be reached, and asks until it answers', async () => {
    const { revoker, elapsed } = createSubject((ms) =>
      ms < 2_500 ? replyError('LOADING its data') : { inc: 'a', members: [member('w1', 6)] },
    )
    const told = await revoker.confirm(async () => recorded([member('w1', 6)]))
    expect(told.confirmed).to.equal(true)
    expect(elapsed()).to.be.at.least(2_500)
  })

  it('needs one good answer after the wait where data goes on over a restart', async () => {
    const acks = (ms: number) =>
      ms < 2_500 ? new Error('Redis is away') : { inc: 'a', members: [member('w1', 6)] }
    const { revoker, elapsed } = createSubject(acks, { durability: 'keep' })
    const told = await revoker.confirm(async () => recorded([member('w1', 6)]))
    expect(told.confirmed).to.equal(true)
    expect(elapsed()).to.be.at.least(2_500)

    const away = createSubject(() => new Error('Redis is away'), { durability: 'keep' })
    expect((await away.revoker.confirm(async () => recorded([]))).confirmed).to.equal(false)
  })

  it('waits out the longest possible lease in an incarnation that nobody has known for long', async () => {
    const { revoker, elapsed } = createSubject(() => ({ inc: 'a', members: [] }))
    const told = await revoker.confirm(async () => recorded([], { settled: false }))
    expect(told.confirmed).to.equal(true)
    expect(elapsed()).to.be.at.least(surely(maximumLeaseMs))
  })

  it('does not wait for that when nothing was ended', async () => {
    const { revoker, elapsed } = createSubject(() => new Error('not needed'))
    await revoker.confirm(async () => recorded([], { settled: false }), { nothingEnded: true })
    expect(elapsed()).to.equal(0)
  })

  it('records again when Redis turns out to be in another incarnation', async () => {
    const { revoker } = createSubject(() => ({ inc: 'b', members: [member('w1', 3)] }))
    const replies = [
      recorded([member('w1', 6)], { count: 4 }),
      recorded([member('w1', 3)], { inc: 'b', seq: 3, count: 0 }),
    ]
    const told = await revoker.confirm(async () => replies.shift()!)
    if (!told.confirmed) throw told.cause
    expect(told.recorded).to.include({ inc: 'b', seq: 3 })
    expect(told.recorded.count, 'what the first record ended').to.equal(4)
  })

  it('records again after a lost reply', async () => {
    const { revoker } = createSubject(() => new Error('not needed'))
    let attempts = 0
    const told = await revoker.confirm(async () => {
      if (++attempts < 3) throw new Error('connection lost')
      return recorded([])
    })
    expect(told.confirmed).to.equal(true)
    expect(attempts).to.equal(3)
  })

  it('gives up within its patience when Redis never answers, and says why', async () => {
    const { revoker, clock, elapsed } = createSubject(() => new Error('not needed'))
    const away = new Error('Redis is away')
    const told = await revoker.confirm(async () => {
      clock.advance(1_000)
      throw away
    })
    expect(told).to.deep.equal({ confirmed: false, cause: away })
    expect(elapsed()).to.be.at.most(revocationPatienceMs + 1_000)
  })

  it('gives up in the end when each look finds yet another incarnation', async () => {
    let incarnation = 0
    const { revoker, elapsed } = createSubject(() => ({ inc: `new ${++incarnation}`, members: [] }), {
      lookMs: 500,
    })
    const told = await revoker.confirm(async () =>
      recorded([member('w1', 0)], { settled: false, inc: 'other' }),
    )
    expect(told.confirmed).to.equal(false)
    expect(elapsed()).to.be.at.most(revocationPatienceMs + 2 * surely(maximumLeaseMs) + 500)
  })

  it('counts for every wait what clocks may differ by, and the slack', () => {
    expect(surely(1_000)).to.equal(1_000 * 1.002 + 20)
  })
})
