import type { WorkerStatus } from '../../../shared/process/control-request.ts'
import type { Supervisor } from './supervisor.ts'
import type { WorkerHandle } from './worker-handle.ts'

/** The workers of this host as an administrator sees them: every process, and every place that waits for one. */
export function workerStatuses(
  supervisor: Pick<Supervisor, 'workers' | 'vacancies'>,
  host: string,
): WorkerStatus[] {
  const waiting = supervisor.vacancies().map(({ id, role }): WorkerStatus => ({
    id,
    kind: role,
    pid: null,
    host,
    state: 'waiting',
    startedAt: null,
    leaseMs: null,
    cachedSessions: null,
    eventLoopLagMs: null,
    rssBytes: null,
  }))
  return [...supervisor.workers().map((worker) => statusOf(worker, host)), ...waiting]
}

function statusOf(worker: WorkerHandle, host: string): WorkerStatus {
  const { id, role, pid = null, state, startedAt, vitals } = worker
  return {
    id,
    kind: role,
    pid,
    host,
    state,
    startedAt: Math.round(performance.timeOrigin + startedAt),
    leaseMs: vitals?.leaseMs ?? null,
    cachedSessions: vitals?.cachedSessions ?? null,
    eventLoopLagMs: vitals?.eventLoopLagMs ?? null,
    rssBytes: vitals?.rssBytes ?? null,
  }
}
