import { expect } from 'chai'
import { z } from 'zod'
import { defineJob, jobsByName } from '../../shared/queues/job.ts'
import { checkPayload, InvalidPayload } from '../../shared/queues/payload.ts'
import { defineSchedule } from '../../shared/queues/schedule.ts'

const payload = z.strictObject({
  to: z.string(),
  lines: z.array(z.strictObject({ text: z.string() })).optional(),
})
const handler = async () => {}
const letter = defineJob({ name: 'letter', payload, handler })

describe('the declaration of a job', () => {
  const wrong: readonly [what: string, description: Record<string, unknown>, named: RegExp][] = [
    ['a name with a colon', { name: 'a:b' }, /small letters/],
    ['the name of the queue of ticks', { name: 'schedules' }, /is taken/],
    ['a payload that lets unknown fields through', { payload: z.object({}) }, /z\.strictObject/],
    ['no attempts', { attempts: 0 }, /attempts/],
    ['a backoff of another kind', { backoff: { type: 'linear', delayMs: 1 } }, /fixed or exponential/],
    ['a priority below none', { priority: -1 }, /priority/],
    ['a time limit of nothing', { timeoutMs: 0 }, /timeoutMs/],
    ['no hands', { concurrency: 0 }, /concurrency/],
    ['an empty list of roles', { enqueue: [] }, /enqueue/],
    ['a secret that the payload does not have', { secretFields: ['pin'] }, /secretFields names pin/],
    ['a negative retention', { keepCompleted: { count: -1, seconds: 1 } }, /keep/],
    ['no handler', { handler: undefined }, /no handler, load or sandbox/],
  ]
  for (const [what, description, named] of wrong) {
    it(`is refused with ${what}`, () => {
      const declare = () =>
        defineJob({ name: 'letter', payload, handler, ...description } as typeof letter & never)
      expect(declare).to.throw(TypeError, named)
    })
  }

  it('names everything that is wrong with it at once', () => {
    expect(() => defineJob({ name: 'A', payload, handler, attempts: 0 })).to.throw(
      TypeError,
      /letters.*attempts/,
    )
  })

  it('lets nobody ask for the job over HTTP unless it says who', () => {
    expect(letter.enqueue).to.equal('nobody')
  })

  it('is refused beside another of the same name', () => {
    expect(() => jobsByName([letter, letter])).to.throw(TypeError, /two jobs are called letter/)
  })
})

describe('a payload', () => {
  const problemsOf = (value: unknown) => {
    try {
      checkPayload(letter, value)
    } catch (failure) {
      if (failure instanceof InvalidPayload) return failure.problems.map(({ field }) => field)
      throw failure
    }
    return []
  }

  it('is refused with the names of the fields that are wrong, missing or not of it', () => {
    expect(problemsOf({ to: 'x' })).to.deep.equal([])
    expect(problemsOf({ to: 1, lines: [{ text: 2 }], from: 'me' })).to.have.members([
      'to',
      'lines.0.text',
      'from',
    ])
    expect(problemsOf(undefined)).to.deep.equal(['to'])
    expect(problemsOf('text')).to.deep.equal([''])
  })

  it('is refused when it is too large, or not JSON', () => {
    expect(problemsOf({ to: 'x'.repeat(300_000) })).to.deep.equal([''])
    expect(problemsOf({ to: 1n })).to.deep.equal([''])
  })

  it('does not show its values in the error', () => {
    expect(() => checkPayload(letter, { to: 'x', password: 'hunter2-hunter2' })).to.throw(
      InvalidPayload,
      /^(?!.*hunter2)/,
    )
  })
})

describe('the declaration of a schedule', () => {
  const right = {
    name: 'weekly',
    job: letter,
    data: { to: 'all' },
    misfire: 'skip',
    overlap: 'forbid',
  } as const
  const wrong: readonly [what: string, description: Record<string, unknown>, named: RegExp][] = [
    ['a pattern of four fields', { pattern: '* * * *' }, /5 fields/],
    ['a nickname for a pattern', { pattern: '@daily' }, /5 fields/],
    ['a pattern out of range', { pattern: '61 * * * *' }, /pattern: .*61/],
    ['a day that never comes', { pattern: '0 0 30 2 *' }, /pattern/],
    ['an interval that never ends', { everyMs: 0 }, /everyMs/],
    ['a place that does not exist', { pattern: '0 0 * * *', timezone: 'Mars/Olympus' }, /no timezone "Mars/],
    ['no word on misfires', { pattern: '0 0 * * *', misfire: undefined }, /misfire/],
    ['no word on overlaps', { pattern: '0 0 * * *', overlap: undefined }, /overlap/],
    [
      'a backfill that forbid would leave out',
      { everyMs: 1_000, misfire: { backfill: 2 } },
      /overlap: allow/,
    ],
    ['a jitter beyond the next tick', { everyMs: 1_000, jitterMs: 1_000 }, /jitterMs/],
    ['a payload that the job does not take', { everyMs: 1_000, data: {} }, /to: /],
    ['a name with a colon', { everyMs: 1_000, name: 'a:b' }, /small letters/],
  ]
  for (const [what, description, named] of wrong) {
    it(`is refused with ${what}`, () => {
      expect(() => defineSchedule({ ...right, ...description } as never)).to.throw(TypeError, named)
    })
  }

  it('has a hash that changes with what it says, and with nothing else', () => {
    const hash = (change: object = {}) => defineSchedule({ ...right, everyMs: 1_000, ...change }).hash
    expect(hash()).to.equal(hash())
    for (const change of [
      { everyMs: 2_000 },
      { misfire: 'run-once' },
      { data: { to: 'me' } },
      { jitterMs: 1 },
    ]) {
      expect(hash(change)).not.to.equal(hash())
    }
  })
})
