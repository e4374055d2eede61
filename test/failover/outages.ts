/** How long people were not served, as the long run leaves it in bench/results/failover.md. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeReport } from '../../bench/support/report.ts'
import type { Fault, Shard } from './faults.ts'
import type { FaultOutcome } from './run-fault.ts'

interface Outage {
  readonly kind: Shard['kind']
  readonly fault: string
  readonly sessions: string
  /** For how long each worker did not serve somebody who had signed in before, the shortest first. */
  readonly seconds: readonly number[]
  /** Requests with revoked sessions that were refused; none was accepted. */
  readonly refusedDead: number
}

const seen: Outage[] = []

export function noteOutage(shard: Shard, fault: Fault, outcome: FaultOutcome): void {
  const { watched, verdict } = outcome
  const seconds = watched.map(({ outageMs }) => Math.round(outageMs / 100) / 10).toSorted((a, b) => a - b)
  const answers = new Set(watched.map(({ status }) => status))
  const sessions = answers.has(401) ? 'ended' : 'live on'
  seen.push({
    kind: shard.kind,
    fault: fault.name,
    sessions: outcome.sessions === 'live on or end' ? `${sessions} (either is right)` : sessions,
    seconds,
    refusedDead: verdict.refusedDead,
  })
}

/** Puts what this run has seen in place of what earlier ones have, fault by fault. */
export function writeOutages(): void {
  const file = join(import.meta.dirname, '..', '..', 'bench', 'results', 'failover.json')
  const earlier: Outage[] = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).figures : []
  const isNew = ({ kind, fault }: Outage) => seen.some((one) => one.kind === kind && one.fault === fault)
  const figures = [...earlier.filter((one) => !isNew(one)), ...seen]
  writeReport({
    name: 'failover',
    title: 'Failovers of Redis, in mode failover',
    explanation: [
      'Seconds without service (503), seen from each of three workers by somebody who had signed in before, from the shortest to the longest. Until the Sentinels or the Cluster have promoted a replica (down after 2 to 3 s here, node timeout 3 s) nobody can be served; the rest is the wait for the leases, the votes and the connections. The worker that is cut off with the old primary is the longest of its row: it is served again after the healing. In every row people came, went and logged out all the time, and no request with a revoked session was accepted.',
      'Sentinel: 1 primary, 2 replicas, 3 Sentinels. Redis Cluster: 3 shards with 2 replicas each. Everything, the workers and the clients included, shares the cores.',
    ],
    tables: [
      {
        columns: ['nodes', 'fault', 'sessions', 'seconds of 503', 'revoked and refused'],
        rows: figures.map(({ kind, fault, sessions, seconds, refusedDead }) => [
          kind,
          fault,
          sessions,
          seconds.join(' / '),
          refusedDead,
        ]),
      },
    ],
    figures,
  })
}
