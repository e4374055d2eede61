/**
 * What does it cost to know who is asking? The CPU time of server and Redis for one authenticated
 * `GET /api/v1/auth/me`, in rounds: in each round every contender is measured once, each time in another order,
 * and compared with bare Koa in that same round. What else the machine does meanwhile falls on all of them alike.
 *
 * `npm run bench:hot-path [-- --rounds=15] [--only=NAME,NAME]`
 */
import { isDeepStrictEqual, parseArgs } from 'node:util'
import { answerOf, startOurs, startTheirs, type Contender } from './hot-path/contenders.ts'
import { cpuTimeMs } from './support/cpu-time.ts'
import { startLoadGenerator, type LoadGenerator } from './support/load.ts'
import { writeReport } from './support/report.ts'
import { median, quantile } from './support/statistics.ts'

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '15' },
    ms: { type: 'string', default: '2000' },
    connections: { type: 'string', default: '32' },
    only: { type: 'string' },
  },
})
const connections = Number(options.connections)
const yardstick = 'bare koa + @koa/router'

interface Sample {
  readonly cpuMicros: number
  readonly requestsPerSecond: number
}

const contenders: Contender[] = []
const load = startLoadGenerator()
try {
  await startAll(contenders)
  const samples = await measure(contenders, load)
  report(samples)
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
    ['lockstep + rate limit', () => startOurs('lockstep + rate limit', { LIMIT_API: '1000000/10s' })],
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

async function measure(all: readonly Contender[], load: LoadGenerator): Promise<Map<string, Sample[]>> {
  for (const contender of all) await sample(contender, load, 3_000)
  const samples = new Map(all.map(({ name }) => [name, [] as Sample[]]))
  for (let round = 0; round < Number(options.rounds); round += 1) {
    const order = round % 2 === 0 ? all : [...all].reverse()
    for (const contender of order) {
      await sample(contender, load, 200)
      samples.get(contender.name)?.push(await sample(contender, load, Number(options.ms)))
    }
    process.stderr.write('.')
  }
  return samples
}

async function sample(contender: Contender, load: LoadGenerator, forMs: number): Promise<Sample> {
  const { port, request, pids } = contender
  const before = cpuTimeMs(pids)
  const { requests, elapsedMs } = await load.run({ port, request, connections, forMs })
  const usedMs = cpuTimeMs(pids) - before
  return { cpuMicros: (usedMs * 1_000) / requests, requestsPerSecond: (requests * 1_000) / elapsedMs }
}

function report(samples: ReadonlyMap<string, readonly Sample[]>): void {
  const bare = samples.get(yardstick) ?? []
  const figures = [...samples].map(([name, own]) => {
    const ratios = own.map(({ cpuMicros }, round) => (bare[round]?.cpuMicros ?? NaN) / cpuMicros)
    return {
      name,
      cpuMicrosPerRequest: median(own.map(({ cpuMicros }) => cpuMicros)),
      requestsPerSecond: median(own.map(({ requestsPerSecond }) => requestsPerSecond)),
      efficiency: median(ratios),
      efficiencyQuartiles: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
      rounds: own,
    }
  })
  writeReport({
    name: 'hot-path',
    title: 'The hot path: an authenticated GET /api/v1/auth/me',
    explanation: [
      `One server process each, ${connections} keep-alive connections, ${options.rounds} interleaved rounds of ` +
        `${options.ms} ms. CPU is that of the server and its Redis (ours: with the primary and the ` +
        'background work of the coherent cache), from the scheduler. Efficiency is the CPU of bare Koa divided ' +
        "by the contender's in the same round: the median of the rounds, and the middle half of them.",
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
}
