/**
 * Finds workers that show no life: blocked in a loop, stopped, or waiting in the kernel. Their connections wait with
 * them, and node:cluster goes on handing them new ones, so they are killed and replaced.
 *
 * Silence is counted in looks, not by a clock: while this process itself stood still (a suspended machine, SIGSTOP),
 * nobody was silent.
 */
import { readFile } from 'node:fs/promises'
import type { Service } from '../../../shared/kernel/lifecycle.ts'
import type { Logger } from '../../../shared/telemetry/log.ts'
import { about } from './slot.ts'
import type { WorkerHandle } from './worker-handle.ts'

export interface HangWatchOptions {
  /** Those that live now. */
  readonly workers: () => readonly WorkerHandle[]
  /** The longest silence of a ready worker. */
  readonly hungAfterMs: number
  readonly log: Logger
}

interface Silence {
  heartbeats: number
  looks: number
}

const looksInSilence = 10

export function watchForHangs({ workers, hungAfterMs, log }: HangWatchOptions): Service {
  const silences = new WeakMap<WorkerHandle, Silence>()
  let timer: NodeJS.Timeout | undefined

  function look(): void {
    for (const worker of workers()) if (worker.state === 'ready') lookAt(worker)
  }

  function lookAt(worker: WorkerHandle): void {
    const silence = silences.get(worker)
    if (silence?.heartbeats !== worker.heartbeats) {
      silences.set(worker, { heartbeats: worker.heartbeats, looks: 0 })
      return
    }
    silence.looks += 1
    if (silence.looks === looksInSilence) void giveUp(worker)
  }

  async function giveUp(worker: WorkerHandle): Promise<void> {
    const system = worker.pid === undefined ? null : await processFacts(worker.pid)
    const { vitals } = worker
    log.error({ ...about(worker), silentMs: hungAfterMs, vitals, system }, 'worker hangs and is killed')
    worker.giveUp()
  }

  return {
    async start() {
      timer = setInterval(look, hungAfterMs / looksInSilence)
    },
    async stop() {
      clearInterval(timer)
    },
  }
}

/**
 * What the system knows of a process that can't tell anything itself. Where a loop is stuck is told by the worker's
 * own stall watch. Null where there is no /proc.
 */
async function processFacts(pid: number): Promise<Record<string, string> | null> {
  const read = (name: string) => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '')
  const [status, waitsIn] = await Promise.all([read('status'), read('wchan')])
  const wanted = ['State', 'Threads', 'VmRSS', 'voluntary_ctxt_switches', 'nonvoluntary_ctxt_switches']
  const facts = wanted.flatMap((name): [string, string][] => {
    const value = new RegExp(`^${name}:\\s*(.+)$`, 'm').exec(status)?.[1]
    return value === undefined ? [] : [[name, value]]
  })
  if (facts.length === 0) return null
  return Object.fromEntries([...facts, ...(/^\w{2,}$/.test(waitsIn) ? [['waitsIn', waitsIn]] : [])])
}
