/**
 * Says where a process is stuck while it is stuck. When the event loop does not turn, nothing of ours runs on it: no
 * signal handler, no report on a signal, no answer to the primary, which can only kill. So a thread beside it looks
 * on, and when the loop has stood still for long it has the debugger stop the main thread for a moment, writes the
 * call stack to the log, and lets it go on. No port is opened for that.
 *
 * A process that is stopped (SIGSTOP) or waits in the kernel has no stack to show; the primary tells its state.
 */
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import type { LogOptions } from '../../telemetry/log.ts'

export interface StallWatchOptions {
  /** How the log is written: by the thread, since the main thread can't. */
  readonly log: Omit<LogOptions, 'destination'>
  /** How long the event loop may stand still. */
  readonly afterMs: number
}

/** What the thread is given. */
export interface StallWatch extends StallWatchOptions {
  /** A counter in shared memory that grows while the event loop turns. */
  readonly turns: Int32Array
}

/** How often the loop shows that it turns, and how often the thread looks. */
export const lookEveryMs = 500

/** Watches this process from now on. Returns what ends it. */
export function watchForStalls(options: StallWatchOptions): () => void {
  const turns = new Int32Array(new SharedArrayBuffer(4))
  const watch: StallWatch = { ...options, turns }
  const thread = new Worker(new URL(`./stall-thread${path.extname(import.meta.url)}`, import.meta.url), {
    workerData: watch,
    name: 'stall watch',
    // It does almost nothing, and there is one in every worker.
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
  })
  // Without it the worker is as good as before, only mute about its stalls.
  thread.on('error', () => clearInterval(timer))
  thread.unref()
  const timer = setInterval(() => Atomics.add(turns, 0, 1), lookEveryMs)
  timer.unref()
  return () => {
    clearInterval(timer)
    void thread.terminate()
  }
}
