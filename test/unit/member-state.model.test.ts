import { expect } from 'chai'
import fc from 'fast-check'
import type { Clock } from '../../shared/kernel/clock.ts'
import type { Invalidation } from '../../shared/coherence/invalidation.ts'
import { MemberState, type MemberEffects, type Renewal } from '../../shared/coherence/member-state.ts'
import type { Stamp } from '../../shared/coherence/index.ts'
import {
  createWorld,
  leaseMs,
  realParts,
  sessionNames,
  userNames,
  type Step,
  type WorkerParts,
} from '../support/coherence-world.ts'

const pick = fc.nat({ max: 7 })
const ms = fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 61, max: leaseMs + 200 }))
/** Most are noticed as soon as somebody looks; those that are small are not. */
const calendarMs = fc.oneof(fc.integer({ min: -40, max: 40 }), fc.integer({ min: -2_000, max: 2_000 }))
const session = fc.constantFrom(...sessionNames)

function step(name: Step['do'], fields: Record<string, fc.Arbitrary<unknown>> = {}): fc.Arbitrary<Step> {
  return fc.record({ do: fc.constant(name), ...fields }) as unknown as fc.Arbitrary<Step>
}

/** Whole journeys beside single steps: what needs many steps in order would else hardly ever happen. */
const renewal = fc.constant<Step[]>([{ do: 'sync sent' }, { do: 'sync executes' }, { do: 'sync arrives' }])
const acknowledgement = fc.constant<Step[]>([{ do: 'sync sent' }, { do: 'sync executes' }])
const fill = session.map((name): Step[] => [
  { do: 'load', session: name },
  { do: 'load arrives', pick: 0 },
])

/**
 * The clocks of a machine are either suspended or set in one scenario, never both: a suspension that somebody
 * undoes on the calendar makes both clocks stand still together, which no worker can notice.
 */
const scenario = fc
  .constantFrom(step('suspend', { ms }), step('step wall', { ms: calendarMs }))
  .chain((clockFault) =>
    fc.array(
      fc.oneof(
        { weight: 5, arbitrary: renewal },
        { weight: 4, arbitrary: fill },
        { weight: 2, arbitrary: acknowledgement },
        ...[
          { weight: 4, arbitrary: step('advance', { ms }) },
          { weight: 1, arbitrary: clockFault },
          { weight: 2, arbitrary: step('load', { session }) },
          { weight: 2, arbitrary: step('load arrives', { pick }) },
          { weight: 3, arbitrary: step('revoke session', { session }) },
          { weight: 1, arbitrary: step('revoke user', { user: fc.constantFrom(...userNames) }) },
          { weight: 3, arbitrary: step('message arrives', { pick }) },
          { weight: 1, arbitrary: step('message arrives and stays', { pick }) },
          { weight: 1, arbitrary: step('sync sent') },
          { weight: 1, arbitrary: step('sync executes') },
          { weight: 1, arbitrary: step('sync arrives') },
          { weight: 1, arbitrary: step('sync times out') },
          { weight: 1, arbitrary: step('late sync executes') },
          { weight: 1, arbitrary: step('catch-up is over') },
          { weight: 1, arbitrary: step('restart') },
          { weight: 1, arbitrary: step('snapshot') },
          { weight: 1, arbitrary: step('snapshot put back') },
        ].map(({ weight, arbitrary }) => ({ weight, arbitrary: arbitrary.map((one) => [one]) })),
      ),
      { maxLength: 40, size: 'max' },
    ),
  )
  .map((journeys) => journeys.flat())

/** No session is accepted once a correct revoker would have answered that it is dead. */
function neverStale(parts: WorkerParts) {
  return fc.property(scenario, (steps) => {
    const world = createWorld(parts)
    for (const step of steps) {
      world.take(step)
      const stale = world.staleAccepts()
      if (stale.length > 0) throw new Error(`accepted after its revocation succeeded: ${stale.join(', ')}`)
    }
  })
}

/** The real worker with other states in place of its own. */
function withState(createState: WorkerParts['createState']): WorkerParts {
  return { ...realParts, createState }
}

class IgnoresGaps extends MemberState {
  #effects: MemberEffects
  constructor(clock: Clock, effects: MemberEffects) {
    super(clock, effects)
    this.#effects = effects
  }
  override receive(message: Invalidation) {
    if (message.inc !== this.inc || message.seq <= this.applied) return 'ignored'
    this.#effects.apply(message)
    this.applied = message.seq
    return 'applied'
  }
}

class RenewsUnchecked extends MemberState {
  override renewed(renewal: Renewal, reply: Stamp) {
    const seq = reply.inc === this.inc ? Math.min(reply.seq, this.applied) : reply.seq
    return super.renewed(renewal, { inc: reply.inc, seq })
  }
}

class IgnoresIncarnationOfMessages extends MemberState {
  override receive(message: Invalidation) {
    return super.receive({ ...message, inc: this.inc })
  }
}

class KeepsPastIncarnation extends MemberState {
  constructor(clock: Clock, effects: MemberEffects) {
    super(clock, { ...effects, flush: () => this.flushing && effects.flush() })
  }
  flushing = true
  override renewed(renewal: Renewal, reply: Stamp) {
    this.flushing = false
    const outcome = super.renewed(renewal, reply)
    this.flushing = true
    return outcome
  }
}

class HasNoCalendar extends MemberState {
  override renewed(renewal: Renewal, reply: Stamp) {
    return super.renewed({ ...renewal, wall: 0 }, reply)
  }
}

class IsGrantedEarly extends MemberState {
  override caughtUp() {
    const { applied } = this
    this.applied = Infinity
    super.caughtUp()
    this.applied = applied
  }
}

const mutants: Record<string, WorkerParts> = {
  'says nothing of how far it has seen Redis': { ...realParts, tellsPosition: false },
  'is granted a renewal that was held back before it has caught up': withState(
    (clock, effects) => new IsGrantedEarly(clock, effects),
  ),
  'does not look at its lease': {
    ...realParts,
    guard: (state) => ({ ...realParts.guard(state), leaseOk: () => true }),
  },
  'keeps whatever the authority answered': {
    ...realParts,
    guard: (state) => ({ ...realParts.guard(state), mayFill: () => true }),
  },
  'goes on over a gap': withState((clock, effects) => new IgnoresGaps(clock, effects)),
  'renews without comparing the sequence number': withState(
    (clock, effects) => new RenewsUnchecked(clock, effects),
  ),
  'counts its lease from the reply': withState((clock, effects) => {
    class CountsFromReply extends MemberState {
      override renewed(renewal: Renewal, reply: Stamp) {
        return super.renewed({ ...renewal, mono: clock.mono(), wall: clock.wall() }, reply)
      }
    }
    return new CountsFromReply(clock, effects)
  }),
  'applies messages of another incarnation': withState(
    (clock, effects) => new IgnoresIncarnationOfMessages(clock, effects),
  ),
  'keeps what it held when Redis is another one': withState(
    (clock, effects) => new KeepsPastIncarnation(clock, effects),
  ),
  'trusts its monotonic clock alone': withState(
    (clock, effects) => new HasNoCalendar({ mono: () => clock.mono(), wall: () => 0 }, effects),
  ),
}

describe('A worker in front of the authority, whatever is lost, late or repeated', () => {
  it('accepts no session whose revocation succeeded', () => {
    fc.assert(neverStale(realParts), { numRuns: 10_000 })
  })

  it('still serves from memory what was not revoked', () => {
    const world = createWorld()
    const steps: Step[] = [
      { do: 'sync sent' },
      { do: 'sync executes' },
      { do: 'sync arrives' },
      { do: 'load', session: 's1' },
      { do: 'load arrives', pick: 0 },
      { do: 'revoke session', session: 's3' },
      { do: 'message arrives', pick: 0 },
    ]
    for (const step of steps) world.take(step)
    expect(world.accepts('s1')).to.equal(true)
  })

  for (const [fault, parts] of Object.entries(mutants)) {
    it(`is caught by the same property when it ${fault}`, () => {
      const found = fc.check(neverStale(parts), { numRuns: 1_000_000, endOnFailure: true })
      expect(found.failed).to.equal(true)
    })
  }
})
