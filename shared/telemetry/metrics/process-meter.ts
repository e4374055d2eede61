import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import type { Service } from '../../kernel/lifecycle.ts'
import { droppedLogLines } from '../log-output.ts'
import { reading, type Reading } from './reading.ts'

export interface ProcessMeter extends Service {
  /** CPU, memory and event loop of this process. The readings of the loop are of the time since the last call. */
  read(): Reading[]
}

/** The monitor is a timer, and reports how far apart it fired: this far when nothing was late. */
const resolutionMs = 10

export function createProcessMeter(worker: string): ProcessMeter {
  const delays = monitorEventLoopDelay({ resolution: resolutionMs })
  let utilization = performance.eventLoopUtilization()

  function lagSeconds(nanoseconds: number): number {
    const late = nanoseconds / 1e9 - resolutionMs / 1e3
    return Number.isFinite(late) ? Math.max(0, late) : 0
  }

  function loop(): Reading[] {
    const stats = { p50: delays.percentile(50), p99: delays.percentile(99), max: delays.max }
    const now = performance.eventLoopUtilization()
    const { utilization: ratio } = performance.eventLoopUtilization(now, utilization)
    utilization = now
    const lags = Object.entries(stats).map(([stat, nanoseconds]) =>
      reading('lockstep_eventloop_lag_seconds', lagSeconds(nanoseconds), { worker, stat }),
    )
    delays.reset()
    return [...lags, reading('lockstep_eventloop_utilization_ratio', ratio, { worker })]
  }

  return {
    async start() {
      delays.enable()
    },
    async stop() {
      delays.disable()
    },
    read() {
      const cpu = process.cpuUsage()
      const memory = process.memoryUsage()
      return [
        reading('lockstep_process_start_time_seconds', performance.timeOrigin / 1e3, { worker }),
        reading('lockstep_process_cpu_seconds_total', cpu.user / 1e6, { worker, mode: 'user' }),
        reading('lockstep_process_cpu_seconds_total', cpu.system / 1e6, { worker, mode: 'system' }),
        reading('lockstep_process_resident_memory_bytes', memory.rss, { worker }),
        reading('lockstep_process_heap_used_bytes', memory.heapUsed, { worker }),
        reading('lockstep_log_lines_dropped_total', droppedLogLines(), { worker }),
        ...loop(),
      ]
    },
  }
}
