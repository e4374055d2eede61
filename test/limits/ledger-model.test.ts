import fc from 'fast-check'
import { expect } from 'chai'
import type { Redis } from 'ioredis'
import { limitKeys } from '../../shared/limits/keys.ts'
import { forget, lease, refund, type LeaseAnswer, type Place } from '../../shared/limits/scripts.ts'
import { withScriptClock } from './redis-doubles.ts'
import { createWorld, type World } from './world.ts'

/** What may happen to a ledger. Times are steps from one event to the next. */
type Event =
  | {
      kind: 'lease'
      afterMs: number
      want: number
      need: number
      limit: number
      divisor: number
      extraMs: number
    }
  /** Of one of the latest grants, by its rank from the last; part of it or all. */
  | { kind: 'refund'; afterMs: number; rank: number; part: number }
  | { kind: 'reset'; afterMs: number }

interface Granted {
  readonly id: string
  readonly atMs: number
  readonly tokens: number
  readonly place: Place
  readonly run: string
  readonly epoch: string
  /** By how much its term is longer than usual. */
  readonly extraMs: number
  readonly life: number
  refunded: number
}

/** Few slots and few moments, so that edges are met often; long, so that nothing expires by the true clock. */
const keepMs = 20_000
const slotMs = 3_000
const tickMs = 500
const largestLimit = 12

/** The ledger as one would think of it: all grants, with their times. */
function createModel() {
  const grants: Granted[] = []
  const slotEnd = ({ place }: Granted) => (place.slot + 1) * slotMs
  const counts = (grant: Granted, now: number) => slotEnd(grant) > now - keepMs
  let life = 0

  const alive = (now: number) => grants.filter((grant) => grant.life === life && counts(grant, now))
  const charged = (now: number) =>
    alive(now).reduce((sum, { tokens, refunded }) => sum + tokens - refunded, 0)

  return {
    grants,
    charged,
    life: () => life,
    slots: () => grants.filter((grant) => grant.life === life).map(({ place }) => place.slot),
    reset() {
      life += 1
    },
    expected({ want, need, limit, divisor }: Extract<Event, { kind: 'lease' }>, now: number) {
      const free = limit - charged(now)
      if (free < need) return { granted: 0, free: Math.max(0, free) }
      const granted = Math.max(need, Math.min(want, Math.floor(free / divisor)))
      return { granted, free: free - granted }
    },
    /** When `need` tokens are free if nothing more is granted. */
    freeAt(need: number, limit: number, now: number): number {
      let free = limit - charged(now)
      for (const grant of alive(now).toSorted((a, b) => slotEnd(a) - slotEnd(b))) {
        free += grant.tokens - grant.refunded
        if (free >= need) return slotEnd(grant) + keepMs
      }
      return now + keepMs
    },
  }
}

const tokens = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: largestLimit }))
const afterMs = fc.oneof(fc.constant(0), fc.nat(8), fc.nat(45)).map((ticks) => ticks * tickMs)
const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('lease' as const),
      afterMs,
      want: tokens,
      need: tokens,
      limit: fc.oneof(fc.constant(largestLimit), fc.integer({ min: 0, max: largestLimit })),
      divisor: fc.integer({ min: 1, max: 5 }),
      extraMs: fc.oneof(
        fc.constant(0),
        fc.nat(4).map((ticks) => ticks * 1_000),
      ),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('refund' as const), afterMs, rank: fc.nat(3), part: tokens }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('reset' as const), afterMs }) },
)

describe('The ledger script', function () {
  this.timeout(60_000)
  let world: World
  let redis: Redis
  let now = 0

  before(async () => {
    world = await createWorld()
    redis = withScriptClock(world.redis, () => String(now))
  })
  after(() => world.end())

  let runs = 0
  async function play(events: readonly Event[]): Promise<void> {
    runs += 1
    const keys = limitKeys(`model-${runs}`)
    const terms = { limit: largestLimit, windowMs: keepMs, termMs: 0, slotMs, keepMs }
    const ledger = keys.ledger('p', terms, 'key')
    const model = createModel()
    now = slotMs * 500_000_000

    for (const [i, event] of events.entries()) {
      now += event.afterMs
      if (event.kind === 'reset') {
        await forget(redis, { record: keys.record, ledger }, { keepMs, slotMs })
        model.reset()
      } else if (event.kind === 'lease') {
        const answer = await askFor(keys.record, ledger, String(i), event)
        const { granted, free } = model.expected(event, now)
        expect(answer).to.include({ granted, free })
        if (granted === 0) expect(answer.waitMs).to.equal(model.freeAt(event.need, event.limit, now) - now)
        else {
          const { place, postmark } = answer
          // Of its own time, or the latest that is charged: never earlier.
          const own = Math.floor((now + event.extraMs) / slotMs)
          expect(place.slot).to.be.within(own, Math.max(own, ...model.slots()))
          model.grants.push({
            id: String(i),
            atMs: now,
            tokens: granted,
            place,
            run: postmark.run,
            epoch: postmark.epoch,
            extraMs: event.extraMs,
            life: model.life(),
            refunded: 0,
          })
        }
      } else {
        const grant = model.grants.at(-1 - event.rank)
        if (grant) await giveBack(model, grant, Math.min(event.part, grant.tokens))
      }
      expectStrict(model.grants)
    }

    async function giveBack(model: ReturnType<typeof createModel>, grant: Granted, part: number) {
      const marker = keys.refund(grant.id)
      const { place, run, epoch } = grant
      const request = { place, tokens: part, run, epoch, keepMs, slotMs, lifetimeMs: 60_000 }
      const names = { marker, ledger, record: keys.record }
      const taken = await refund(redis, names, request)
      if (taken) {
        expect(grant.refunded, 'given back before').to.equal(0)
        expect(grant.life, 'of the ledger before a reset').to.equal(model.life())
        grant.refunded = part
      }
      expect(await refund(redis, names, request), 'a second time').to.equal(false)
    }
  }

  async function askFor(
    record: string,
    ledger: string,
    requestId: string,
    event: Extract<Event, { kind: 'lease' }>,
  ) {
    const preamble = {
      requestId,
      seenEpoch: '',
      seenRun: '',
      seenGrants: 0,
      seenLosses: 0,
      seenLossAt: 0,
    }
    const { want, need, limit, divisor, extraMs } = event
    const terms = { limit, keepMs, slotMs, extraMs, divisor, onDataLoss: 'trust', recoverMs: keepMs } as const
    const { postmark, answers } = await lease(redis, record, preamble, [{ ledger, terms, want, need }])
    return { postmark, ...(answers[0] as LeaseAnswer) }
  }

  /** Whatever the limits were: no window holds more than the largest of them, unless there was a reset. */
  function expectStrict(grants: readonly Granted[]): void {
    for (const last of grants) {
      const inWindow = grants.filter(
        ({ atMs, extraMs, life }) =>
          life === last.life && atMs + extraMs > last.atMs - keepMs && atMs <= last.atMs,
      )
      const sum = inWindow.reduce((total, { tokens, refunded }) => total + tokens - refunded, 0)
      expect(sum).to.be.at.most(largestLimit)
    }
  }

  it('does what the model says, whatever happens in whatever order', async () => {
    await fc.assert(fc.asyncProperty(fc.array(event, { minLength: 5, maxLength: 60 }), play), {
      numRuns: process.env.LIMIT_PROOF === 'long' ? 2_000 : 400,
    })
  })

  it('goes on when its slots are further from its base than two bytes can tell', async () => {
    const { record, ledger: named } = limitKeys('far')
    const ledger = named('p', { windowMs: keepMs }, 'key')
    now = slotMs * 500_000_000
    const claim = { want: 3, need: 3, limit: largestLimit, divisor: 1, extraMs: 0 }
    await askFor(record, ledger, 'a', { kind: 'lease', afterMs: 0, ...claim })
    now += slotMs
    await askFor(record, ledger, 'b', { kind: 'lease', afterMs: 0, ...claim })

    // As if it had begun long ago: the base earlier, all slots further from it.
    const value = (await world.redis.getBuffer(ledger)) as Buffer
    const shift = 65_535 - 1
    value.writeUIntBE(value.readUIntBE(10, 6) - shift, 10, 6)
    for (const at of [20, 26, 28]) value.writeUInt16BE(value.readUInt16BE(at) + shift, at)
    await world.redis.set(ledger, value)

    for (const [charged, granted] of [
      [6, 3],
      [9, 3],
      [12, 0],
    ] as const) {
      now += slotMs
      const answer = await askFor(record, ledger, `c${charged}`, { kind: 'lease', afterMs: 0, ...claim })
      expect(answer).to.include({ granted, free: largestLimit - charged - granted })
      if (granted === 0) expect(answer.waitMs).to.equal(keepMs - 3 * slotMs)
    }
  })
})
