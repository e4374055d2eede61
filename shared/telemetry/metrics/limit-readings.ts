import type { LimiterMetrics } from '../../limits/counters.ts'
import type { LoginMetrics } from '../../limits/login-guard.ts'
import { reading, type Reading } from './reading.ts'

/** What the rate limiter of one worker did. */
export function limitReadings(worker: string, metrics: LimiterMetrics): Reading[] {
  const { leased, stranded, burned, refunded, unledgered } = metrics
  const tokens = Object.entries({ leased, stranded, burned, refunded, unledgered })
  return [
    reading('lockstep_limit_decisions_total', metrics.admitted, { outcome: 'admitted' }),
    reading('lockstep_limit_decisions_total', metrics.denied, { outcome: 'denied' }),
    ...tokens.map(([fate, count]) => reading('lockstep_limit_tokens_total', count, { fate })),
    reading('lockstep_limit_trips_total', metrics.trips),
    reading('lockstep_limit_failures_total', metrics.failures),
    reading('lockstep_limit_clock_steps_total', metrics.clockSteps),
    reading('lockstep_limit_outage', metrics.mode === 'outage' ? 1 : 0, { worker }),
  ]
}

/** What the guard of sign-ins of one worker did. */
export function signInReadings(worker: string, { admitted, denied, recoveringMs }: LoginMetrics): Reading[] {
  return [
    reading('lockstep_sign_in_guesses_total', admitted, { outcome: 'admitted' }),
    reading('lockstep_sign_in_guesses_total', denied, { outcome: 'denied' }),
    reading('lockstep_sign_in_recovering_seconds', recoveringMs / 1e3, { worker }),
  ]
}
