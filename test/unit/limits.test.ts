import fc from 'fast-check'
import { expect } from 'chai'
import { addressKey } from '../../shared/limits/address.ts'
import { join, type RateDecision } from '../../shared/limits/decision.ts'
import { rateLimitHeader, rateLimitPolicyHeader, retryAfterSeconds } from '../../shared/limits/headers.ts'
import { createShare } from '../../shared/limits/share.ts'
import { createStepDetector } from '../../shared/limits/step-detector.ts'
import { termsOf } from '../../shared/limits/policy.ts'
import { mostInAnyWindow, type Admitted } from '../limits/sweep.ts'

describe('What an address is limited as', () => {
  for (const [ip, key] of [
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::ffff:c000:207', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2:0:0:0:0/64'],
    ['2001:DB8:1:2::', '2001:db8:1:2:0:0:0:0/64'],
    ['2001:db8::1:2:3:4', '2001:db8:0:0:0:0:0:0/64'],
    ['::1', '0:0:0:0:0:0:0:0/64'],
    ['fe80::1%eth0', 'fe80:0:0:0:0:0:0:0/64'],
    ['not an address', 'not an address'],
    ['', ''],
  ] as const) {
    it(`${ip || 'nothing'} is ${key || 'nothing'}`, () => expect(addressKey(ip)).to.equal(key))
  }

  it('a shorter prefix takes more addresses together', () => {
    expect(addressKey('2001:db8:1:23ff::1', 56)).to.equal('2001:db8:1:2300:0:0:0:0/56')
    expect(addressKey('2001:db8:1:23ff::1', 48)).to.equal('2001:db8:1:0:0:0:0:0/48')
  })

  it('all addresses of a /64 are one, whatever follows', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 4, maxLength: 4 }), (host) => {
        const ip = `2001:db8:0:7:${host.map((group) => group.toString(16)).join(':')}`
        expect(addressKey(ip)).to.equal('2001:db8:0:7:0:0:0:0/64')
      }),
    )
  })
})

describe('The headers of a rate limit', () => {
  const admission: RateDecision = {
    allowed: true,
    policy: 'api',
    limit: 1_000,
    windowMs: 60_000,
    remaining: 997,
    at: 0,
  }
  const refusal: RateDecision = {
    ...admission,
    allowed: false,
    policy: 'search',
    limit: 10,
    windowMs: 1_000,
    remaining: 0,
    reason: 'limit',
    retryAfterMs: 1_200,
  }

  it('name each policy with its quota and window, and what is left', () => {
    expect(rateLimitPolicyHeader([admission, refusal])).to.equal('"api";q=1000;w=60, "search";q=10;w=1')
    expect(rateLimitHeader([admission, refusal])).to.equal('"api";r=997;t=60, "search";r=0;t=2')
  })

  it('never ask to come back before the effective window is over', () => {
    expect(retryAfterSeconds(1)).to.equal(1)
    expect(retryAfterSeconds(1_000)).to.equal(1)
    expect(retryAfterSeconds(1_001)).to.equal(2)
  })

  it('a joint refusal names those that refused and the longest wait', () => {
    const other: RateDecision = { ...refusal, policy: 'other', retryAfterMs: 5_000 }
    const joint = join([admission, refusal, other])
    expect(joint).to.deep.equal({
      allowed: false,
      reason: 'limit',
      retryAfterMs: 5_000,
      decisions: [refusal, other],
    })
    expect(join([admission])).to.deep.equal({ allowed: true, decisions: [admission] })
    const lost: RateDecision = { ...refusal, reason: 'quarantine' }
    expect(join([lost])).to.include({ reason: 'quarantine' })
  })
})

describe('The detector of clock steps', () => {
  it('is quiet while the clocks run together, however slow the answers are', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(60_000), fc.nat(200), fc.nat(200)), { maxLength: 50 }),
        fc.double({ min: -0.000_9, max: 0.000_9, noNaN: true }),
        (trips, drift) => {
          const detector = createStepDetector()
          let mono = 1_000
          for (const [pause, there, back] of trips) {
            mono += pause
            const dated = 5_000 + Math.floor((mono + there) * (1 + drift))
            expect(detector.steppedBy(dated, mono, mono + there + back)).to.equal(0)
            mono += there + back
          }
        },
      ),
    )
  })

  it('tells how far a clock was set forward, by at least that, until it is where it was', () => {
    const detector = createStepDetector()
    expect(detector.steppedBy(5_000, 0, 10)).to.equal(0)
    expect(detector.steppedBy(6_060, 1_000, 1_010)).to.be.within(60, 71)
    expect(detector.steppedBy(7_060, 2_000, 2_010), 'nobody has put it right').to.be.within(60, 75)
    expect(detector.steppedBy(8_000, 3_000, 3_010), 'somebody has').to.equal(0)
  })

  it('follows a clock that was set back', () => {
    const detector = createStepDetector()
    expect(detector.steppedBy(5_000, 0, 10)).to.equal(0)
    expect(detector.steppedBy(5_940, 1_000, 1_010)).to.equal(0)
    expect(detector.steppedBy(6_000, 1_010, 1_020), 'and back again').to.be.above(0)
  })

  it('dates an answer by the quickest trips, and never before Redis did', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(1_000), fc.nat(200), fc.nat(2_000)), { minLength: 1, maxLength: 50 }),
        (trips) => {
          const detector = createStepDetector()
          let mono = 1_000
          for (const [pause, there, back] of trips) {
            mono += pause
            const trueAt = mono + there
            detector.steppedBy(Math.floor(5_000.5 + trueAt), mono, trueAt + back)
            expect(detector.earliest(Math.floor(5_000.5 + trueAt))).to.be.at.most(trueAt)
            mono += there + back
          }
        },
      ),
    )
  })
})

describe('The share of a worker', () => {
  it('never counts less in a window than there was', () => {
    const windowMs = 100
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(40), fc.integer({ min: 1, max: 3 }))), (uses) => {
        const share = createShare(windowMs, 3)
        const admitted: Admitted[] = []
        let now = 0
        for (const [pause, cost] of uses) {
          now += pause
          if (share.used(now) + cost > 5) continue
          share.use(cost, now)
          admitted.push({ key: '', atMs: now, cost })
        }
        expect(mostInAnyWindow(admitted, windowMs)).to.be.at.most(5)
      }),
    )
  })

  it('says when the oldest use no longer counts', () => {
    const share = createShare(100, 10)
    share.use(2, 55)
    expect(share.waitMs(60)).to.equal(100)
    expect(share.used(159)).to.equal(2)
    expect(share.used(160)).to.equal(0)
  })
})

describe('The terms of a rule', () => {
  it('leave at least 92 % of the limit usable', () => {
    for (const windowMs of [1_000, 60_000, 900_000, 86_400_000]) {
      const terms = termsOf({ limit: 10, windowMs })
      if (!terms) throw new Error('is limited')
      expect(windowMs / (terms.keepMs + terms.slotMs)).to.be.at.least(0.92)
    }
  })
})

describe('The sweep over admissions', () => {
  it('finds the most in any window that is open at its beginning', () => {
    const at = (atMs: number, cost = 1): Admitted => ({ key: 'k', atMs, cost })
    expect(mostInAnyWindow([], 10)).to.equal(0)
    expect(mostInAnyWindow([at(0), at(10)], 10)).to.equal(1)
    expect(mostInAnyWindow([at(9.9), at(0)], 10)).to.equal(2)
    expect(mostInAnyWindow([at(0, 5), at(4, 2), at(11, 4), at(13, 1)], 10)).to.equal(7)
  })
})
