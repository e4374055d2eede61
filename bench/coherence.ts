/**
 * What does the coherence domain cost the one Redis that all workers share? The CPU time of each script, with so many
 * members registered; and of whole announcements that real members apply and acknowledge, each with its connections:
 * one at a time as on a quiet server, and as many as it takes.
 *
 * `npm run bench:coherence [-- --members=8,32,100] [--seconds=5]`
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Redis } from 'ioredis'
import { coherenceKeys, createCoherenceScripts } from '../shared/coherence/index.ts'
import { openRedis } from '../shared/kernel/redis/connections.ts'
import { createSessionScripts } from '../shared/sessions/scripts.ts'
import { startRedis, type TestRedis } from '../test/support/redis.ts'
import type { AnnounceOrder, JoinOrder } from './coherence/member-process.ts'
import { cpuTimeMs } from './support/cpu-time.ts'
import { writeReport } from './support/report.ts'
import { quantile } from './support/statistics.ts'

const { values: options } = parseArgs({
  options: { members: { type: 'string', default: '8,32,100' }, seconds: { type: 'string', default: '5' } },
})
const memberCounts = options.members.split(',').map(Number)
const forMs = Number(options.seconds) * 1_000
const processes = 4
const runs = 4_000
const batch = 50

interface ScriptCost {
  readonly script: string
  readonly members: number
  readonly us: number
}

interface EventCost {
  readonly members: number
  readonly load: string
  readonly eventsPerSecond: number
  /** Redis' CPU time for one event, all members together. */
  readonly us: number
  readonly memberEventsPerCore: number
  readonly p50Ms: number
  readonly p99Ms: number
}

const scripts: ScriptCost[] = []
const events: EventCost[] = []
for (const members of memberCounts) {
  process.stderr.write(`${members} members ...\n`)
  scripts.push(...(await withRedis((redis, client) => measureScripts(redis, client, members))))
  events.push(...(await withRedis((redis) => measureEvents(redis, members))))
}
report()

async function withRedis<T>(use: (redis: TestRedis, client: Redis) => Promise<T>): Promise<T> {
  const redis = await startRedis()
  const client = openRedis({ kind: 'single', url: redis.url }, 'blocking')
  try {
    return await use(redis, client)
  } finally {
    client.disconnect()
    await redis.stop()
  }
}

async function measureScripts(redis: TestRedis, client: Redis, members: number): Promise<ScriptCost[]> {
  const domain = { keys: coherenceKeys(), durability: 'keep' as const }
  const coherence = createCoherenceScripts(client, domain)
  const sessions = createSessionScripts(client, {
    ...domain,
    idleMs: 600_000,
    touchEveryMs: 60_000,
    longestMs: 3_600_000,
    maxPerUser: 100_000,
  })
  let order = 0
  let { inc, seq } = await coherence.announce('bench', 'x')
  const sync = (id: number) =>
    coherence.sync({
      id: memberId(id),
      inc,
      applied: seq,
      leaseMs: 1_000,
      settled: true,
      order: ++order,
    })
  const subject = { id: 'alice', roles: ['user'], version: 1, profile: { email: 'alice@example.com' } }
  const ticket = await sessions.prepare(subject.id)
  let tokens = 0
  const create = () =>
    sessions.create({
      hash: `hash${++tokens}`,
      sessionId: `id${tokens}`,
      ticket,
      subject,
      device: {},
      remember: false,
      absoluteMs: 3_600_000,
      endOthers: false,
    })
  await create()
  for (let id = 0; id < members; id++) await sync(id)

  const costs: ScriptCost[] = []
  async function measure(script: string, run: (turn: number) => Promise<unknown>): Promise<void> {
    const before = cpuTimeMs([redis.pid])
    for (let done = 0; done < runs; done += batch) {
      await Promise.all(Array.from({ length: batch }, (_, i) => run(done + i)))
    }
    costs.push({ script, members, us: ((cpuTimeMs([redis.pid]) - before) * 1_000) / runs })
  }
  await measure('sync', (turn) => sync(turn % members))
  await measure('load', () => sessions.load('hash1', false))
  await measure('create', create)
  await measure('revoke', () => sessions.revokeSession('none'))
  ;({ inc, seq } = await coherence.announce('bench', 'x'))
  const ids = Array.from({ length: members }, (_, id) => memberId(id))
  await measure('one look, all missing', () => coherence.acks(ids))
  await measure('one look, one missing', () => coherence.acks(ids.slice(-1)))
  return costs
}

function memberId(id: number): string {
  return `host:web-${id}:0123456789abcdef`
}

async function measureEvents(redis: TestRedis, members: number): Promise<EventCost[]> {
  const children = Array.from({ length: processes }, () =>
    fork(new URL('./coherence/member-process.ts', import.meta.url), { execArgv: ['--import', 'tsx'] }),
  )
  try {
    await ask<JoinOrder>(children, { redisUrl: redis.url, members: members / processes })
    // The incarnation settles, and everybody has renewed several times.
    await pause(3_000)
    return [
      await measureLoad(redis, children, members, 'quiet', { atOnce: 1, pauseMs: 60, forMs }),
      await measureLoad(redis, children, members, 'busy', { atOnce: 32, pauseMs: 0, forMs }),
    ]
  } finally {
    for (const child of children) child.kill('SIGKILL')
  }
}

async function measureLoad(
  redis: TestRedis,
  children: readonly ChildProcess[],
  members: number,
  load: string,
  order: AnnounceOrder,
): Promise<EventCost> {
  const idle = await cpuOf(redis, () => pause(forMs))
  let times: number[] = []
  const cpuMs = await cpuOf(redis, async () => {
    times = (await ask<AnnounceOrder>(children, order)).flat()
  })
  // On a quiet server the renewals would count as much as the events.
  const us = (Math.max(0, load === 'quiet' ? cpuMs - idle : cpuMs) * 1_000) / times.length
  return {
    members,
    load,
    eventsPerSecond: (times.length * 1_000) / forMs,
    us,
    memberEventsPerCore: (members * 1e6) / us,
    p50Ms: quantile(times, 0.5),
    p99Ms: quantile(times, 0.99),
  }
}

async function cpuOf(redis: TestRedis, work: () => Promise<unknown>): Promise<number> {
  const before = cpuTimeMs([redis.pid])
  await work()
  return cpuTimeMs([redis.pid]) - before
}

function ask<Order extends object>(children: readonly ChildProcess[], order: Order): Promise<number[][]> {
  return Promise.all(
    children.map(async (child) => {
      child.send(order)
      return ((await once(child, 'message')) as [number[]])[0]
    }),
  )
}

function report(): void {
  writeReport({
    name: 'coherence',
    title: 'What the coherence domain costs Redis',
    explanation: [
      'CPU time of the Redis process by the scheduler, in microseconds, network included. The scripts ran in batches ' +
        `of ${batch} over one connection. Events are announcements among real members, each with two connections: ` +
        `quiet is one at a time in each of ${processes} processes with pauses (renewals taken off), busy is ` +
        `${32 * processes} at the same time. An event counts when every member has acknowledged it.`,
    ],
    tables: [
      {
        columns: ['script', ...memberCounts.map((members) => `${members} members, us`)],
        rows: [...new Set(scripts.map(({ script }) => script))].map((name) => [
          name,
          ...memberCounts.map(
            (count) =>
              scripts.find(({ script, members }) => script === name && members === count)?.us.toFixed(1) ??
              '',
          ),
        ]),
      },
      {
        columns: [
          'members',
          'load',
          'events/s',
          'us an event',
          'members x events/s a core',
          'p50 ms',
          'p99 ms',
        ],
        rows: events.map((event) => [
          event.members,
          event.load,
          Math.round(event.eventsPerSecond),
          Math.round(event.us),
          Math.round(event.memberEventsPerCore).toLocaleString('en'),
          event.p50Ms.toFixed(1),
          event.p99Ms.toFixed(1),
        ]),
      },
    ],
    figures: { scripts, events },
  })
}
