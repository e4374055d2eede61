/**
 * What does it cost to know who is asking? The CPU time of server and Redis for one authenticated
 * `GET /api/v1/auth/me`. Each sample of a contender stands between two of bare Koa and is compared with those, so
 * what else the machine does meanwhile falls on both; rounds take turns in both orders.
 *
 * `npm run bench:hot-path [-- --rounds=30] [--ms=400] [--only=NAME,NAME]`
 */
import { isDeepStrictEqual, parseArgs } from 'node:util'
import { answerOf, startOurs, startTheirs, type Contender } from './hot-path/contenders.ts'
import { startLoadGenerator, type LoadGenerator } from './support/load.ts'
import { checkGoals } from './support/goals.ts'
import { writeReport } from './support/report.ts'
import { median, quantile } from './support/statistics.ts'

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '30' },
    ms: { type: 'string', default: '400' },
    connections: { type: 'string', default: '32' },
    only: { type: 'string' },
    check: { type: 'boolean', default: false },
  },
})
const connections = Number(options.connections)
const yardstick = 'bare koa + @koa/router'
const limited = 'lockstep + rate limit'
const plain = 'plain node:http'

interface Sample {
  readonly cpuMicros: number
  readonly requestsPerSecond: number
}

interface Comparison extends Sample {
  /** The CPU of bare Koa, just before and after, divided by this. */
  readonly efficiency: number
}

const contenders: Contender[] = []
const load = startLoadGenerator()
try {
  await startAll(contenders)
  report(await measure(contenders, load))
} finally {
  load.stop()
  await Promise.all(contenders.map((contender) => contender.stop()))
}

/** Each is in `started` as soon as it runs, so that it is stopped whatever happens to the next. */
async function startAll(started: Contender[]): Promise<void> {
  const limitsOff = { LIMIT_API: 'off', LIMIT_LOGIN_IP: 'off', LIMIT_LOGIN_ACCOUNT: 'off' }
  const ours = await startOurs('lockstep', limitsOff)
  started.push(ours)
  const answer = await answerOf(ours)
  const wanted = options.only?.split(',')
  const others: [string, () => Promise<Contender>][] = [
    [yardstick, () => startTheirs(yardstick, 'bare-koa', answer)],
    [limited, () => startOurs(limited, { LIMIT_API: '1000000/10s' })],
    [plain, () => startTheirs(plain, 'node-http', answer)],
    ['koa-session + koa-redis', () => startTheirs('koa-session + koa-redis', 'koa-session', answer)],
    [
      'express-session + connect-redis',
      () => startTheirs('express-session + connect-redis', 'express-session', answer),
    ],
    [
      '@fastify/session + connect-redis',
      () => startTheirs('@fastify/session + connect-redis', 'fastify-session', answer),
    ],
  ]
  for (const [name, start] of others) {
    if (wanted && name !== yardstick && !wanted.includes(name)) continue
    const contender = await start()
    started.push(contender)
    if (name.startsWith('lockstep')) continue
    if (!isDeepStrictEqual(await answerOf(contender), answer))
      throw new Error(`${name} answers something else`)
  }
}

async function measure(all: readonly Contender[], load: LoadGenerator): Promise<Map<string, Comparison[]>> {
  const bare = all.find(({ name }) => name === yardstick)!
  const compared = new Map(all.map(({ name }) => [name, [] as Comparison[]]))
  for (const contender of all) await sample(contender, load, 3_000)
  for (let round = 0; round < Number(options.rounds); round += 1) {
    let before = await sample(bare, load)
    for (const contender of round % 2 === 0 ? all : [...all].reverse()) {
      const own = await sample(contender, load)
      const after = await sample(bare, load)
      const efficiency = (before.cpuMicros + after.cpuMicros) / 2 / own.cpuMicros
      compared.get(contender.name)?.push({ ...own, efficiency })
      before = after
    }
    process.stderr.write('.')
  }
  return compared
}

async function sample(contender: Contender, load: LoadGenerator, warmUpMs = 100): Promise<Sample> {
  const { port, request, pids } = contender
  const forMs = Number(options.ms)
  const measured = await load.run({ port, request, pids, connections, warmUpMs, forMs })
  const { requests, elapsedMs, cpuMs } = measured
  return { cpuMicros: (cpuMs * 1_000) / requests, requestsPerSecond: (requests * 1_000) / elapsedMs }
}

function report(compared: ReadonlyMap<string, readonly Comparison[]>): void {
  const figures = [...compared].map(([name, rounds]) => {
    const ratios = rounds.map(({ efficiency }) => efficiency)
    return {
      name,
      cpuMicrosPerRequest: median(rounds.map(({ cpuMicros }) => cpuMicros)),
      requestsPerSecond: median(rounds.map(({ requestsPerSecond }) => requestsPerSecond)),
      efficiency: median(ratios),
      efficiencyQuartiles: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
      rounds,
    }
  })
  writeReport({
    name: 'hot-path',
    title: 'The hot path: an authenticated GET /api/v1/auth/me',
    explanation: [
      `One server process each, ${connections} keep-alive connections, ${options.rounds} rounds of ` +
        `${options.ms} ms. CPU is that of the server and its Redis (ours: with the primary and the background ` +
        'work of the coherent cache), from the scheduler. Efficiency is the CPU of bare Koa, measured just before ' +
        "and after, divided by the contender's: the median of the rounds, and the middle half of them. The row of " +
        'bare Koa compares it with itself: how far it is from 1 is how far to trust the others.',
    ],
    tables: [
      {
        columns: ['', 'CPU us/request', 'requests/s', 'efficiency', 'middle half'],
        rows: figures.map(
          ({ name, cpuMicrosPerRequest, requestsPerSecond, efficiency, efficiencyQuartiles }) => [
            name,
            cpuMicrosPerRequest.toFixed(1),
            Math.round(requestsPerSecond),
            efficiency.toFixed(3),
            efficiencyQuartiles.map((ratio) => ratio.toFixed(3)).join(' to '),
          ],
        ),
      },
    ],
    figures: { connections, contenders: figures },
  })

  const efficiencies = (name: string) => (compared.get(name) ?? []).map(({ efficiency }) => efficiency)
  const against = efficiencies(plain)
  checkGoals([
    { what: `${limited}, against bare Koa`, measured: efficiencies(limited), atLeast: 0.95 },
    {
      what: `${limited}, against plain node:http`,
      measured: efficiencies(limited).map((efficiency, round) => efficiency / (against[round] ?? NaN)),
      atLeast: 0.6,
    },
  ])
}
