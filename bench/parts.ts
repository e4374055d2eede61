/**
 * What do our sessions cost in a Koa application that keeps its own server? The CPU time of server and Redis for one
 * request of somebody who is signed in, beside the same application without sessions, and beside the usual middleware.
 * How it is measured: hot-path/compare.ts.
 *
 * `npm run bench:parts [-- --rounds=30] [--ms=400] [--only=NAME,NAME] [--check]`
 */
import { parseArgs } from 'node:util'
import { compare, comparisonTable, type Comparison } from './hot-path/compare.ts'
import { startTheirs, type Contender } from './hot-path/contenders.ts'
import { checkGoals } from './support/goals.ts'
import { startLoadGenerator } from './support/load.ts'
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
const yardstick = 'koa + @koa/router, no sessions'
const ours = 'koaSessions'

/** What every contender answers. */
const answer = {
  user: { id: 'alice', roles: ['user'], email: 'alice@example.com', name: 'Alice' },
  session: { id: 'c2Vzc2lvbg', label: null, createdAt: '2026-01-01T00:00:00.000Z', remember: false },
}

/** By name, the file in hot-path/contenders. */
const files: Readonly<Record<string, string>> = {
  [yardstick]: 'bare-koa',
  [ours]: 'koa-sessions',
  'koa-session + koa-redis': 'koa-session',
  'express-session + connect-redis': 'express-session',
}

const contenders: Contender[] = []
const load = startLoadGenerator()
try {
  const wanted = options.only?.split(',')
  for (const [name, file] of Object.entries(files)) {
    if (wanted && name !== yardstick && !wanted.includes(name)) continue
    contenders.push(await startTheirs(name, file, answer))
  }
  const [rounds, forMs, connections] = [options.rounds, options.ms, options.connections].map(Number)
  report(
    await compare(contenders, load, {
      yardstick,
      rounds: rounds ?? NaN,
      forMs: forMs ?? NaN,
      connections: connections ?? NaN,
    }),
  )
} finally {
  load.stop()
  await Promise.all(contenders.map((contender) => contender.stop()))
}

function report(compared: ReadonlyMap<string, readonly Comparison[]>): void {
  const { figures, table } = comparisonTable(compared)
  writeReport({
    name: 'parts',
    title: 'Sessions in a Koa application that keeps its own server',
    explanation: [
      `One server process each, ${options.connections} keep-alive connections, ${options.rounds} rounds of ` +
        `${options.ms} ms, the same JSON from each. CPU is that of the server and its Redis. Efficiency is the CPU of ` +
        "the application without sessions, measured just before and after, divided by the contender's: the median " +
        'of the rounds, and the middle half of them.',
    ],
    tables: [table],
    figures: { connections: Number(options.connections), contenders: figures },
  })
  const measured = (compared.get(ours) ?? []).map(({ efficiency }) => efficiency)
  checkGoals([{ what: `${ours}, against the same application without sessions`, measured, atLeast: 0.9 }])
}
