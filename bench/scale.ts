/**
 * How far does one Redis bear the coherence domain, and what do the next steps bring? Simulated (scale/simulate.ts) with
 * the costs that `bench:coherence` measured on one machine, and held against what it measured with real members.
 *
 * `npm run bench:scale`
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { simulate, type Costs, type Domain, type Outcome } from './scale/simulate.ts'
import { writeReport } from './support/report.ts'

/** What a loop of Redis and one write to a subscriber cost, as the quiet and the busy runs differ by. */
const fitted = { roundUs: 8, publishUs: 2 }
const renewEveryMs = 250
/** Redis is not loaded above this share of its core: what is left is for loads, logins and hiccups. */
const comfortable = 0.7

interface Measured {
  readonly scripts: readonly { readonly script: string; readonly members: number; readonly us: number }[]
  readonly events: readonly {
    readonly members: number
    readonly load: string
    readonly eventsPerSecond: number
    readonly us: number
    readonly p50Ms: number
  }[]
}

const file = path.join(import.meta.dirname, 'results', 'coherence.json')
const { figures } = JSON.parse(readFileSync(file, 'utf8')) as { figures: Measured }
const costs = costsOf(figures)

/** Straight lines through what was measured at the fewest and the most members. */
function costsOf({ scripts }: Measured): Costs {
  const least = Math.min(...scripts.map(({ members }) => members))
  const most = Math.max(...scripts.map(({ members }) => members))
  const cost = (name: string, members: number) => {
    const found = scripts.find((each) => each.script === name && each.members === members)
    if (found === undefined) throw new Error(`bench:coherence did not measure ${name} at ${members} members`)
    return found.us
  }
  const slope = (name: string) => Math.max(0, (cost(name, most) - cost(name, least)) / (most - least))
  const base = (name: string) => Math.max(1, cost(name, least) - slope(name) * least)
  return {
    ...fitted,
    syncUs: cost('sync', most),
    revokeUs: base('revoke'),
    revokeMemberUs: slope('revoke'),
    lookUs: base('one look, all missing'),
    lookMissingUs: slope('one look, all missing'),
  }
}

/** The same numbers in each run. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** Long enough for some hundred revocations, and not longer. */
function run(domain: Pick<Domain, 'members' | 'revocationsPerSecond'> & Partial<Domain>): Outcome {
  const enough = Math.max(200, Math.min(2_000, 2_000_000 / domain.members))
  const seconds = Math.min(10, Math.max(0.5, enough / domain.revocationsPerSecond))
  return simulate(
    { networkMs: 0.25, memberMs: 0.5, renewEveryMs, revokers: domain.members, seconds, costs, ...domain },
    seeded(1),
  )
}

/** The most revocations a second at which Redis stays comfortable and everything is confirmed. */
function mostRevocations(members: number): { readonly perSecond: number; readonly outcome: Outcome } {
  let low = 0.5
  let high = 200_000
  while (high / low > 1.1) {
    const middle = Math.sqrt(low * high)
    const { redisLoad, keepsUp } = run({ members, revocationsPerSecond: middle })
    if (redisLoad <= comfortable && keepsUp) low = middle
    else high = middle
  }
  return { perSecond: low, outcome: run({ members, revocationsPerSecond: low }) }
}

const count = (value: number) => Math.round(value).toLocaleString('en')
const ms = (value: number) => (Number.isFinite(value) ? value.toFixed(1) : 'never')
const percent = (value: number) => `${Math.round(value * 100)} %`

function compareWithBench() {
  return figures.events
    .filter(({ load }) => load === 'busy')
    .map(({ members, eventsPerSecond, us, p50Ms }) => {
      // Its members shared two cores with Redis: half of what an event took is the time that they waited for one.
      const memberMs = p50Ms / 2
      const simulated = run({
        members,
        revocationsPerSecond: eventsPerSecond,
        revokers: 4,
        memberMs,
        seconds: 3,
      })
      return [members, count(eventsPerSecond), count(us), count(simulated.redisUsPerEvent)]
    })
}

function oneDomain() {
  return [8, 32, 100, 320, 1_000, 3_200, 10_000].map((members) => {
    const { perSecond, outcome } = mostRevocations(members)
    return [
      count(members),
      count(perSecond),
      count(members * perSecond),
      ms(outcome.p50Ms),
      ms(outcome.p99Ms),
    ]
  })
}

/** 10,000 workers on 160 hosts, and a million logouts a minute. */
function aMillionAMinute() {
  const perSecond = 1_000_000 / 60
  return [1, 4, 8, 16, 32, 64, 128].map((domains) => {
    const outcome = run({ members: 160, revocationsPerSecond: perSecond / domains })
    return [
      domains,
      count(perSecond / domains),
      percent(outcome.redisLoad),
      ms(outcome.p50Ms),
      ms(outcome.p99Ms),
      outcome.keepsUp ? 'yes' : 'no',
    ]
  })
}

/** The same workers, each a member of every domain. */
function everyWorkerAMember() {
  const perSecond = 1_000_000 / 60
  return [64, 256, 1_024].map((domains) => {
    const outcome = run({ members: 10_000, revocationsPerSecond: perSecond / domains })
    return [
      domains,
      count(perSecond / domains),
      percent(outcome.redisLoad),
      ms(outcome.p50Ms),
      outcome.keepsUp ? 'yes' : 'no',
    ]
  })
}

writeReport({
  name: 'scale',
  title: 'How far the coherence domain scales',
  explanation: [
    'Simulated, not measured: one Redis thread, members that acknowledge and revokers that look, with the costs of ' +
      '`bench:coherence`. The first table holds the simulation against real members under load; the two constants that ' +
      'it was fitted by are in `bench/scale.ts`. Redis is loaded to 70 % of its core at most in the second table.',
    'One member a host and several domains are designed, not built: see docs/scale.md.',
  ],
  tables: [
    {
      columns: ['members', 'events/s', 'us an event, measured', 'us an event, simulated'],
      rows: compareWithBench(),
    },
    {
      columns: ['members of one domain', 'most revocations/s', 'members x revocations/s', 'p50 ms', 'p99 ms'],
      rows: oneDomain(),
    },
    {
      columns: ['domains (160 members each)', 'revocations/s each', 'Redis', 'p50 ms', 'p99 ms', 'keeps up'],
      rows: aMillionAMinute(),
    },
    {
      columns: ['domains (10,000 members each)', 'revocations/s each', 'Redis', 'p50 ms', 'keeps up'],
      rows: everyWorkerAMember(),
    },
  ],
  figures: { costs, comfortable },
})
