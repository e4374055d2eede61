/**
 * Finds workers that show no life: blocked in a loop, stopped, or waiting in the kernel. Their connections wait with
 * them, and node:cluster goes on handing them new ones, so they are killed and replaced.
 *
 * Silence is counted in looks, not by a clock: while this process itself stood still (a suspended machine, SIGSTOP),
 * no one was silent.
 *
 * A worker that is overloaded, or hardly gets the CPU, is silent too, and killing it would hand its load to the others.
 * So one that gets on (`progress.ts`) is left alone for a few times as long.
 */
import { readFile } from 'node:fs/promises'
import type { Service } from '../../../shared/kernel/lifecycle.ts'
import type { Logger } from '../../../shared/telemetry/log.ts'
import { readProgress, whyAlive, type Progress } from './progress.ts'
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
  readonly heartbeats: number
  looks: number
  /** How often it was left alone because it gets on. */
  pardons: number
  /** What it had done when the silence began, or when it was seen at work last. */
  progress: Promise<Progress | null>
}

const looksInSilence = 10
/** A loop that writes for ever gets on, too. */
const mostPardons = 5

export function watchForHangs({ workers, hungAfterMs, log }: HangWatchOptions): Service {
  const silences = new WeakMap<WorkerHandle, Silence>()
  let timer: NodeJS.Timeout | undefined

  function look(): void {
    for (const worker of workers()) if (worker.state === 'ready') lookAt(worker)
  }

  function lookAt(worker: WorkerHandle): void {
    const silence = silences.get(worker)
    if (silence?.heartbeats !== worker.heartbeats) {
      const { heartbeats } = worker
      silences.set(worker, { heartbeats, looks: 0, pardons: 0, progress: progressOf(worker) })
      return
    }
    silence.looks += 1
    if (silence.looks === looksInSilence) void judge(worker, silence)
  }

  async function judge(worker: WorkerHandle, silence: Silence): Promise<void> {
    const progress = progressOf(worker)
    const reason = whyAlive(await silence.progress, await progress)
    if (worker.state !== 'ready' || worker.heartbeats !== silence.heartbeats) return
    if (reason === null || silence.pardons === mostPardons) return giveUp(worker)
    silence.looks = 0
    silence.pardons += 1
    if (reason === 'overloaded') silence.progress = progress
    const { vitals } = worker
    log.warn({ ...about(worker), reason, silentMs: hungAfterMs, vitals }, 'worker is silent but gets on')
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

function progressOf({ pid }: WorkerHandle): Promise<Progress | null> {
  return pid === undefined ? Promise.resolve(null) : readProgress(pid)
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
