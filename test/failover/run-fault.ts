import { setTimeout as wait } from 'node:timers/promises'
import { createClients, type Load } from '../chaos/clients.ts'
import { judge, tellStory, type ChaosEvent, type Verdict } from '../chaos/history.ts'
import { createRandom } from '../chaos/random.ts'
import type { Door } from '../chaos/target.ts'
import { startWorkerPool } from '../chaos/worker-pool.ts'
import type { WorkerOrders } from '../chaos/worker-process.ts'
import { eventually } from '../support/eventually.ts'
import { sessionsAfter, type Fault, type Sessions, type Shard } from './faults.ts'

/** Few enough people that nine servers and as many as three workers have room beside them. */
const load: Load = {
  phases: [{ name: 'busy', people: 6, pauseMs: 500 }],
  readEveryMs: 40,
}
const workers = 3
const settleMs = 2_000
const patienceMs = 60_000

export interface FaultOutcome {
  readonly verdict: Verdict
  /** What each worker answered in the end to somebody who signed in before, and for how long it did not serve him. */
  readonly watched: readonly { readonly worker: string; readonly status: number; readonly outageMs: number }[]
  /** What must be true of those who were signed in, after what happened. */
  readonly sessions: Sessions
  /** Sign-ins that succeeded after the fault had begun. */
  readonly signIns: number
  readonly story: string
}

export type Orders = Pick<WorkerOrders, 'durability' | 'flaw' | 'leaseMs'>

/** Lets people use three workers on this shard while it is hurt, and judges what they saw. */
export async function runFault(
  shard: Shard,
  fault: Fault,
  orders: Orders,
  seed: number,
): Promise<FaultOutcome> {
  const random = createRandom(seed)
  const target = await startWorkerPool(workers, { redisUrl: shard.url, dataNodes: 3, ...orders })
  try {
    const clients = createClients(target, random, load)
    const changes: string[] = []
    let over = false
    const watched = await watch(target.doors(), changes, () => over)
    const served = () =>
      eventually(() => {
        const waiting = watched.now().filter((status) => status !== 200 && status !== 401)
        if (waiting.length > 0) throw new Error(`workers still answer ${waiting.join(', ')}`)
      }, patienceMs)
    const visiting = clients.run(Infinity, () => over)
    await wait(settleMs)
    const from = performance.now()
    const log = await logOf(shard)
    changes.push(`${(from / 1_000).toFixed(1)} ${fault.name}`)
    try {
      await fault.run(shard, { target, served })
      await served()
      await wait(settleMs)
    } finally {
      over = true
    }
    const history = clients.history
    const planned = sessionsAfter(fault, shard)
    const sessions = planned === 'live on' && !(await hasProof(shard, log)) ? 'live on or end' : planned
    if (sessions !== 'live on') history.push({ kind: 'flush', sentAt: from, receivedAt: performance.now() })
    await visiting
    const verdict = judge(history)
    return {
      verdict,
      sessions,
      watched: await watched.ended,
      signIns: history.filter((event) => event.kind === 'login' && event.sentAt > from).length,
      story: `${changes.join('\n')}\n${storyOf(verdict, history)}`,
    }
  } finally {
    await target.stop()
  }
}

/** Somebody who signed in before, and asks every worker all the time. */
async function watch(doors: readonly Door[], changes: string[], isOver: () => boolean) {
  const token = await signIn(doors[0]!)
  const statuses = doors.map(() => 200)

  async function askAlong({ name, port }: Door, index: number) {
    let [first, last] = [0, 0]
    while (!isOver()) {
      const askedAt = performance.now()
      const status = await ask(port, token)
      if (status !== statuses[index]) changes.push(`${(askedAt / 1_000).toFixed(1)} ${name}: ${status}`)
      statuses[index] = status
      if (status !== 200) {
        first ||= askedAt
        last = performance.now()
      }
      await wait(50)
    }
    return { worker: name, status: statuses[index] ?? 0, outageMs: last - first }
  }
  return { now: () => statuses, ended: Promise.all(doors.map(askAlong)) }
}

async function signIn({ port }: Door): Promise<string> {
  return eventually(async () => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/auth/login`, {
      method: 'POST',
      body: JSON.stringify({ email: 'watcher@example.com' }),
    })
    const { token } = (await response.json()) as { token?: string }
    if (!token) throw new Error(`sign-in was answered ${response.status}`)
    return token
  })
}

/** The status, or 0 when there was no answer. */
async function ask(port: number, token: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}` }
  const signal = AbortSignal.timeout(4_000)
  try {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/auth/me`, { headers, signal })
    await response.arrayBuffer()
    return response.status
  } catch {
    return 0
  }
}

/** The replication id of the log that the primary writes. */
async function logOf(shard: Shard): Promise<string> {
  return (await (await shard.primary()).info('replication')).get('master_replid') ?? ''
}

/**
 * Whether the rules say that sessions go on: the primary is the one that it was, or it followed that log itself until it
 * was promoted, and another node has joined it by a partial resynchronisation. On a busy machine Sentinels may promote
 * one replica after the other, or the one that has less: then everybody signs in again, rightly.
 */
async function hasProof(shard: Shard, log: string): Promise<boolean> {
  const info = await (await shard.primary()).info()
  if (info.get('master_replid') === log) return true
  return info.get('master_replid2') === log && Number(info.get('sync_partial_ok')) > 0
}

function storyOf(verdict: Verdict, history: readonly ChaosEvent[]): string {
  const wronged = [...verdict.staleAccepts, ...verdict.spuriousRefusals].map(({ session }) => session)
  return [...new Set(wronged)]
    .slice(0, 3)
    .map((session) => tellStory(history, session))
    .join('\n\n')
}
