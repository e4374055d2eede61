/** Every metric that Lockstep has, with what it means. What is not here can't be measured. */

interface Plain {
  readonly type: 'counter' | 'gauge'
  readonly help: string
}

interface Bucketed {
  readonly type: 'histogram'
  readonly help: string
  /** Upper bounds, ascending. */
  readonly buckets: readonly number[]
}

const requestSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const revocationSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
const jobSeconds = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 600]

export const catalogue = {
  lockstep_http_request_duration_seconds: histogram('Answered requests', requestSeconds),
  lockstep_http_requests_total: counter('Answered requests, by worker'),

  lockstep_worker_up: gauge(
    '1: the worker answered this scrape; 0: it did not, its values are the last known',
  ),
  lockstep_worker_starts_total: counter('Processes that were started in this place'),
  lockstep_worker_failures_total: counter('Processes that ended, or hung, without having been asked to end'),
  lockstep_process_start_time_seconds: gauge('When the process started, in seconds since 1970'),
  lockstep_process_cpu_seconds_total: counter('CPU time'),
  lockstep_process_resident_memory_bytes: gauge('Memory in RAM'),
  lockstep_process_heap_used_bytes: gauge('Memory of JavaScript objects'),
  lockstep_log_lines_dropped_total: counter('Log lines that could not be written'),
  lockstep_eventloop_lag_seconds: gauge(
    'How late timers fired since the last reading: median, p99 and worst',
  ),
  lockstep_eventloop_utilization_ratio: gauge('Share of the time since the last reading in which it worked'),

  lockstep_session_loads_total: counter('Sessions asked of Redis'),
  lockstep_session_hits_total: counter('Requests whose session was in the memory of the worker'),
  lockstep_session_fills_refused_total: counter(
    'Sessions not kept in memory: an invalidation came in between',
  ),
  lockstep_session_corrupt_total: counter('Sessions in Redis that we would not have written so'),
  lockstep_sessions_revoked_total: counter('Sessions ended by a confirmed revocation'),
  lockstep_sessions_cached: gauge('Sessions in the memory of the worker'),
  lockstep_lease_held: gauge('1: the worker may decide from its memory'),
  lockstep_lease_lapses_total: counter('Times that a lease ended before it was renewed'),
  lockstep_coherence_syncs_total: counter('Acknowledgements and renewals of leases'),
  lockstep_coherence_sync_failures_total: counter('Of these, those that Redis did not answer'),
  lockstep_coherence_messages_total: counter('Invalidations that were applied'),
  lockstep_coherence_gaps_total: counter('Invalidations that were missed, as the next one showed'),
  lockstep_coherence_flushes_total: counter('Times that the whole memory was dropped to be safe'),
  lockstep_coherence_malformed_messages_total: counter('Messages on the channel that are none of ours'),
  lockstep_coherence_subscriber_resets_total: counter('Subscriptions made again because they were silent'),
  lockstep_revocation_duration_seconds: histogram(
    'From a recorded revocation to its confirmation',
    revocationSeconds,
  ),
  lockstep_revocation_acks_total: counter('Acknowledgements that revocations waited for'),
  lockstep_revocation_silent_total: counter(
    'Revocations that waited for the end of the lease of this member',
  ),
  lockstep_revocations_unconfirmed_total: counter('Revocations answered with 503'),

  lockstep_limit_decisions_total: counter('Decisions of the rate limiter'),
  lockstep_limit_tokens_total: counter(
    'Tokens leased, stranded, burned, refunded, or spent without a ledger',
  ),
  lockstep_limit_trips_total: counter('Scripts sent to Redis'),
  lockstep_limit_failures_total: counter('Of these, those that failed or were late'),
  lockstep_limit_clock_steps_total: counter("Times that Redis' clock was seen to step"),
  lockstep_limit_outage: gauge('1: Redis does not answer, and the policies decide'),
  lockstep_sign_in_guesses_total: counter('Passwords that were tried, or refused untried'),
  lockstep_sign_in_recovering_seconds: gauge(
    'How long sign-in makes up for lost counts; 0: nothing was lost',
  ),

  lockstep_redis_memory_bytes: gauge('Memory that Redis uses'),
  lockstep_redis_memory_limit_bytes: gauge(
    'Memory that Redis may use: its maxmemory, else all of its machine',
  ),
  lockstep_redis_disk_failing: gauge('1: its last snapshot, or append to its file, failed'),
  lockstep_redis_replicas: gauge('Replicas that are connected to Redis'),

  lockstep_queue_jobs: gauge('Jobs in each state'),
  lockstep_queue_oldest_waiting_seconds: gauge('How long the next job has waited'),
  lockstep_job_attempts_total: counter('Attempts that ended'),
  lockstep_job_failures_total: counter('Jobs that failed for good'),
  lockstep_job_duration_seconds: histogram('Attempts that ended', jobSeconds),
} as const satisfies Record<string, Plain | Bucketed>

export type MetricName = keyof typeof catalogue
export type HistogramName = {
  [Name in MetricName]: (typeof catalogue)[Name] extends Bucketed ? Name : never
}[MetricName]

function counter(help: string) {
  return { type: 'counter', help } as const
}

function gauge(help: string) {
  return { type: 'gauge', help } as const
}

function histogram(help: string, buckets: readonly number[]) {
  return { type: 'histogram', help, buckets } as const
}
