/**
 * What does it cost to know who is asking? The CPU time of server and Redis for one authenticated
 * `GET /api/v1/auth/me`. Each sample of a contender stands between two of bare Koa and is compared with those, so
 * what else the machine does meanwhile falls on both; rounds take turns in both orders.
 *
 * `npm run bench:hot-path [-- --rounds=30] [--ms=400] [--only=NAME,NAME]`
 */
import { isDeepStrictEqual, parseArgs } from 'node:util'
import { answerOf, startOurs, startTheirs, type Contender } from './hot-path/contenders.ts'
import { startLoadGenerator } from './support/load.ts'
import { compare, comparisonTable, type Comparison } from './hot-path/compare.ts'
import { checkGoals } from './support/goals.ts'
import { writeReport } from './support/report.ts'

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

const contenders: Contender[] = []
const load = startLoadGenerator()
try {
  await startAll(contenders)
  report(
    await compare(contenders, load, {
      yardstick,
      rounds: Number(options.rounds),
      forMs: Number(options.ms),
      connections,
    }),
  )
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

function report(compared: ReadonlyMap<string, readonly Comparison[]>): void {
  const { figures, table } = comparisonTable(compared)
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
    tables: [table],
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
