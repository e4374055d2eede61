import { expect } from 'chai'
import { createSessionWatch, type Dependent, type EndReason } from '../../shared/live/session-watch.ts'
import type { Identity } from '../../shared/sessions/sessions.ts'
import { hashToken, newToken } from '../../shared/sessions/token.ts'
import { eventually } from '../support/eventually.ts'
import { identityOf } from '../support/identities.ts'

/** An authority that answers when it is told to, and a lease that a test takes away. */
function createWorld() {
  const alive = new Map<string, Identity>()
  const questions: (() => void)[] = []
  let automatic = true
  let lease = true
  let leftMs = 60_000
  const watch = createSessionWatch({
    sessions: {
      async peek(token) {
        if (!automatic) await new Promise<void>((resolve) => questions.push(resolve))
        const identity = alive.get(token)
        return identity ? { identity, leftMs } : null
      },
    },
    coherence: { leaseOk: () => lease },
    bounds: { acknowledgeMs: 50, againMs: 5 },
  })
  return {
    watch,
    alive,
    answer: () => questions.splice(0).forEach((go) => go()),
    slow: () => (automatic = false),
    loseLease: () => (lease = false),
    expireIn: (ms: number) => (leftMs = ms),
    async open(userId = 'ada', allows: Dependent['allows'] = () => true) {
      const token = newToken()
      alive.set(token, identityOf(userId))
      const ends: EndReason[] = []
      const watched = watch.watch({ token, userId, allows, ended: (reason) => ends.push(reason) })
      await watched.known
      return { token, ends, hash: hashToken(token), ...watched }
    },
  }
}

describe('what depends on a session', () => {
  it('ends before the invalidation of its session is acknowledged', async () => {
    const world = createWorld()
    const stream = await world.open()
    expect(stream.mayDeliver()).to.equal(true)
    world.alive.delete(stream.token)
    await world.watch.invalidated({ session: stream.hash })
    expect(stream.ends).to.deep.equal(['session-ended'])
    expect(world.watch.size).to.equal(0)
  })

  it('is delivered nothing from the moment of the invalidation, and everything again if it was not meant', async () => {
    const world = createWorld()
    const [one, other] = [await world.open('ada'), await world.open('ada')]
    world.alive.delete(one.token)
    world.slow()
    const acknowledged = world.watch.invalidated({ user: 'ada' })
    expect([one.mayDeliver(), other.mayDeliver()]).to.deep.equal([false, false])
    world.answer()
    await acknowledged
    expect([one.ends, other.ends]).to.deep.equal([['session-ended'], []])
    expect(other.mayDeliver()).to.equal(true)
  })

  it('stays silent when Redis does not say in time, and the acknowledgement goes out', async () => {
    const world = createWorld()
    const stream = await world.open()
    world.slow()
    await world.watch.invalidated({ everybody: true })
    expect(stream.mayDeliver()).to.equal(false)
    expect(stream.ends).to.deep.equal([])
    world.answer()
    await eventually(() => expect(stream.mayDeliver()).to.equal(true))
  })

  it('is not cleared by an answer to a question from before the invalidation', async () => {
    const world = createWorld()
    world.slow()
    const opening = world.open()
    await eventually(() => expect(world.watch.size).to.equal(1))
    void world.watch.invalidated({ everybody: true })
    world.answer()
    await new Promise((resolve) => setTimeout(resolve, 10))
    world.answer()
    expect((await opening).mayDeliver()).to.equal(true)
  })

  it('is delivered nothing without a lease', async () => {
    const world = createWorld()
    const stream = await world.open()
    world.loseLease()
    expect(stream.mayDeliver()).to.equal(false)
    expect(stream.ends).to.deep.equal([])
  })

  it('ends when its user loses the role that it needs', async () => {
    const world = createWorld()
    const stream = await world.open('ada', ({ user }) => user.roles.includes('viewer'))
    expect(stream.ends).to.deep.equal(['access-lost'])
  })

  it('ends when the session expires, and does not keep it alive', async () => {
    const world = createWorld()
    world.expireIn(20)
    const stream = await world.open()
    world.alive.delete(stream.token)
    await eventually(() => expect(stream.ends).to.deep.equal(['session-ended']))
  })

  it('costs nothing to others: an invalidation that concerns nobody here waits for nothing', async () => {
    const world = createWorld()
    await world.open('ada')
    expect(world.watch.invalidated({ user: 'grace' })).to.equal(undefined)
    expect(world.watch.invalidated({ session: hashToken(newToken()) })).to.equal(undefined)
  })
})

describe('what depends on a session without its token', () => {
  function createStanding() {
    let answer: { leftMs: number; hash: string | null } | null = { leftMs: Infinity, hash: 'old' }
    const questions: (() => void)[] = []
    let automatic = true
    const watch = createSessionWatch({
      sessions: { peek: async () => null },
      coherence: { leaseOk: () => true },
      bounds: { acknowledgeMs: Infinity, againMs: 5 },
    })
    let ends = 0
    const watched = watch.watchStanding({
      key: 'session 1',
      userId: 'ada',
      async ask() {
        const told = answer
        if (!automatic) await new Promise<void>((resolve) => questions.push(resolve))
        return told
      },
      ended: () => (ends += 1),
    })
    return {
      watch,
      watched,
      ends: () => ends,
      say: (next: typeof answer) => (answer = next),
      slow: () => (automatic = false),
      quick: () => {
        automatic = true
        questions.splice(0).forEach((go) => go())
      },
    }
  }

  it('is concerned by the token that it has by now, and by no other', async () => {
    const { watch, watched, say } = createStanding()
    await watched.known
    expect(watch.invalidated({ session: 'other' })).to.equal(undefined)
    say({ leftMs: Infinity, hash: 'new' })
    await watch.invalidated({ user: 'ada' })
    expect(watch.invalidated({ session: 'old' })).to.equal(undefined)
    expect(watch.invalidated({ session: 'new' })).to.be.an.instanceOf(Promise)
  })

  it('is asked about once more when any token ends while the question is open', async () => {
    const { watch, watched, say, slow, quick, ends } = createStanding()
    await watched.known
    slow()
    const first = watch.invalidated({ user: 'ada' })
    say(null)
    const second = watch.invalidated({ session: 'new' })
    quick()
    await Promise.all([first, second])
    expect(ends()).to.equal(1)
  })

  it('holds back the acknowledgement until it is known, however long that takes', async () => {
    const { watch, watched, slow, quick } = createStanding()
    await watched.known
    slow()
    let acknowledged = false
    const acknowledging = Promise.resolve(watch.invalidated({ everybody: true })).then(
      () => (acknowledged = true),
    )
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(acknowledged).to.equal(false)
    quick()
    await acknowledging
  })

  it('is asked about again whenever it becomes a suspect, also in the moments after an answer', async () => {
    for (let turns = 0; turns < 12; turns++) {
      const { watch, watched, say, slow, quick, ends } = createStanding()
      await watched.known
      slow()
      void watch.invalidated({ everybody: true })
      quick()
      say(null)
      for (let turn = 0; turn < turns; turn++) await Promise.resolve()
      await watch.invalidated({ everybody: true })
      expect(ends(), `${turns} turns after the answer`).to.equal(1)
    }
  })
})
