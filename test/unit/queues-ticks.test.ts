import { expect } from 'chai'
import fc from 'fast-check'
import { defineJob } from '../../shared/queues/job.ts'
import { defineSchedule, type Misfire } from '../../shared/queues/schedule.ts'
import { ticksToRun } from '../../shared/queues/serve-tick.ts'
import { dueTicks, nextTick, nextTicks, type Timing } from '../../shared/queues/ticks.ts'
import { z } from 'zod'

const berlin = (pattern: string): Timing => ({ pattern, timezone: 'Europe/Berlin' })
const at = (text: string) => Date.parse(text)
const shown = (ticks: readonly number[]) => ticks.map((tick) => new Date(tick).toISOString())

describe('ticks', () => {
  it('of an interval are its multiples, whenever one asks', () => {
    const timing = { everyMs: 5_000, timezone: 'UTC' }
    expect(nextTicks(timing, 12_345, 3)).to.deep.equal([15_000, 20_000, 25_000])
    expect(nextTick(timing, 15_000)).to.equal(20_000)
  })

  it('run at 03:30 in the night of spring that has no 02:30', () => {
    expect(shown(nextTicks(berlin('30 2 * * *'), at('2026-03-28T12:00:00Z'), 2))).to.deep.equal([
      '2026-03-29T01:30:00.000Z',
      '2026-03-30T00:30:00.000Z',
    ])
  })

  it('run once in the night of autumn that has 02:30 twice, even when asked in between', () => {
    const once = ['2026-10-25T00:30:00.000Z', '2026-10-26T01:30:00.000Z']
    expect(shown(nextTicks(berlin('30 2 * * *'), at('2026-10-24T12:00:00Z'), 2))).to.deep.equal(once)
    expect(shown([nextTick(berlin('30 2 * * *'), at('2026-10-25T01:10:00Z'))])).to.deep.equal(once.slice(1))
  })

  it('run in both of the repeated hours where every hour counts', () => {
    expect(shown(nextTicks(berlin('0 * * * *'), at('2026-10-24T23:30:00Z'), 3))).to.deep.equal([
      '2026-10-25T00:00:00.000Z',
      '2026-10-25T01:00:00.000Z',
      '2026-10-25T02:00:00.000Z',
    ])
  })

  it('do not depend on the moment of asking, in any night in which clocks are changed', () => {
    const nights = [
      ['Europe/Berlin', '2026-03-28T20:00:00Z'],
      ['Europe/Berlin', '2026-10-24T20:00:00Z'],
      ['America/New_York', '2026-11-01T00:00:00Z'],
      ['Australia/Lord_Howe', '2026-04-04T10:00:00Z'],
      ['Australia/Lord_Howe', '2026-10-03T10:00:00Z'],
      ['Antarctica/Troll', '2026-03-28T20:00:00Z'],
      ['UTC', '2026-06-01T00:00:00Z'],
    ] as const
    const minute = fc.constantFrom('0', '15', '30', '*/20', '5,45')
    const hour = fc.constantFrom('0', '1', '2', '3', '1-3', '*', '*/2')
    fc.assert(
      fc.property(
        fc.constantFrom(...nights),
        minute,
        hour,
        fc.integer({ min: 0, max: 600 }),
        (night, m, h, later) => {
          const timing = { pattern: `${m} ${h} * * *`, timezone: night[0] }
          const start = at(night[1])
          const moment = start + later * 60_000
          let expected = nextTick(timing, start)
          while (expected <= moment) expected = nextTick(timing, expected)
          expect(shown([nextTick(timing, moment)])).to.deep.equal(shown([expected]))
        },
      ),
      { numRuns: 150 },
    )
  })

  it('that came due are the latest ones, counted over a year as quickly as over a minute', () => {
    const now = at('2026-11-20T12:00:30Z')
    expect(shown(dueTicks(berlin('* * * * *'), at('2025-11-20T12:00:00Z'), now, 2))).to.deep.equal([
      '2026-11-20T11:59:00.000Z',
      '2026-11-20T12:00:00.000Z',
    ])
    expect(dueTicks({ everyMs: 1_000, timezone: 'UTC' }, 1_000, 1e12 + 1, 2)).to.deep.equal([
      1e12 - 1_000,
      1e12,
    ])
    expect(dueTicks(berlin('0 0 1 1 *'), at('2025-12-31T23:00:00Z'), now, 5)).to.have.length(1)
  })

  it('and those that come before the first are not due', () => {
    expect(dueTicks({ everyMs: 1_000, timezone: 'UTC' }, 5_000, 6_500, 10)).to.deep.equal([5_000, 6_000])
  })
})

describe('the ticks that get a run', () => {
  const job = defineJob({ name: 'report', payload: z.strictObject({}), handler: async () => {} })
  const hour = 60 * 60_000
  const daily = (misfire: Misfire) =>
    defineSchedule({ name: 'nightly', job, everyMs: 24 * hour, misfire, overlap: 'allow' }).definition
  const hourly = (misfire: Misfire) =>
    defineSchedule({ name: 'hourly', job, everyMs: hour, misfire, overlap: 'allow' }).definition

  it('are the one that is due, when it was taken up in time', () => {
    for (const misfire of ['run-once', 'skip', { backfill: 3 }] as const) {
      expect(ticksToRun(hourly(misfire), hour, hour + 40)).to.deep.equal([hour])
    }
  })

  it('are none after a miss with skip, unless the latest is in time', () => {
    expect(ticksToRun(daily('skip'), 24 * hour, 25 * hour)).to.deep.equal([])
    expect(ticksToRun(hourly('skip'), hour, 4 * hour + 40)).to.deep.equal([4 * hour])
  })

  it('are one for all that were missed with run-once', () => {
    expect(ticksToRun(daily('run-once'), 24 * hour, 25 * hour)).to.deep.equal([24 * hour])
    expect(ticksToRun(hourly('run-once'), hour, 4.5 * hour)).to.deep.equal([4 * hour])
  })

  it('are the latest that were missed with backfill, and the one that is in time', () => {
    expect(ticksToRun(hourly({ backfill: 2 }), hour, 4.5 * hour)).to.deep.equal([3 * hour, 4 * hour])
    expect(ticksToRun(hourly({ backfill: 2 }), hour, 4 * hour)).to.deep.equal([2 * hour, 3 * hour, 4 * hour])
  })

  it('include one that was sent before its time by hand', () => {
    expect(ticksToRun(daily('skip'), 24 * hour, 3 * hour)).to.deep.equal([24 * hour])
  })
})
