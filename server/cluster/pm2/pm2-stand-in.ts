import { hostname } from 'node:os'
import { startHeartbeat, type Vitals } from '../../../shared/process/vitals.ts'
import type { WebWorker } from '../../web/worker.ts'
import { refusal, type WorkerState, type WorkerStatus } from '../../../shared/process/control-request.ts'
import type { Hosts } from '../boot/hosts.ts'
import type { AskPrimary } from '../../../shared/process/primary-handle.ts'

/**
 * Answers in the place of the primary that a worker of pm2's cluster mode does not have: it knows all workers by what
 * each tells through Redis, and leaves what pm2 does to pm2.
 */
export function standInForPrimary(hosts: () => Pick<Hosts, 'all'>): AskPrimary {
  const answers = {
    overview: async () => ({
      ok: true,
      result: {
        host: hostname(),
        workers: await hosts().all(),
        recent: { everyMs: 1_000, workers: [] },
        operations: [],
      },
    }),
    status: async () => ({ ok: true, result: { host: hostname(), workers: await hosts().all() } }),
    redis: async () => refusal('not-allowed', 'there is no primary here'),
    reload: async () => refusal('not-allowed', 'pm2 runs the workers here: pm2 reload lockstep'),
    scale: async () =>
      refusal('not-allowed', 'pm2 runs the workers here: pm2 scale lockstep N, pm2 scale lockstep-jobs N'),
    drain: async () => refusal('not-allowed', 'pm2 runs the workers here: pm2 restart ID ends one of them'),
  } as const
  return async (request) => (await answers[request.command]()) as never
}

/** This process, as it tells the others of itself. Measures from now on, for as long as it lives. */
export function describeLoneWorker(
  worker: Pick<WebWorker, 'vitals'>,
  slot: number,
): (state: WorkerState) => WorkerStatus {
  let vitals: Vitals | null = null
  startHeartbeat((latest) => (vitals = latest))
  return (state) => ({
    id: `web-${slot}`,
    kind: 'web',
    pid: process.pid,
    host: hostname(),
    state,
    startedAt: Math.round(performance.timeOrigin),
    ...worker.vitals(),
    eventLoopLagMs: vitals?.eventLoopLagMs ?? null,
    rssBytes: vitals?.rssBytes ?? process.memoryUsage.rss(),
    restarts: null,
  })
}
