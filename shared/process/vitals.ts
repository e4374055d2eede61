/** How a process feels, as it tells those who look after it. */
import { monitorEventLoopDelay } from 'node:perf_hooks'

export interface Vitals {
  /** The longest that the event loop was late since the last look. */
  readonly eventLoopLagMs: number
  readonly rssBytes: number
}

/** How often a worker says that it is alive. */
export const heartbeatMs = 1_000

/** The monitor is a timer, and reports how far apart it fired: this far when nothing was late. */
const resolutionMs = 20

/** Calls `beat` once a second from now on, for as long as the event loop turns. Returns what ends it. */
export function startHeartbeat(beat: (vitals: Vitals) => void, everyMs = heartbeatMs): () => void {
  const delays = monitorEventLoopDelay({ resolution: resolutionMs })
  delays.enable()
  const timer = setInterval(() => {
    beat({ eventLoopLagMs: lagMs(delays.max), rssBytes: process.memoryUsage.rss() })
    delays.reset()
  }, everyMs)
  return () => {
    clearInterval(timer)
    delays.disable()
  }
}

function lagMs(nanoseconds: number): number {
  return Math.max(0, Math.round(nanoseconds / 1e6) - resolutionMs)
}
