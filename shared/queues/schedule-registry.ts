/**
 * Makes the schedules in Redis those that this release declares, and keeps them so.
 *
 * BullMQ's way, an upsert of each scheduler at each boot, silently drops a tick that is due and not yet taken up.
 * So here only what has changed is written, what no one declares is removed, and a tick that a change would drop
 * is served first. It is repeated, because a Redis that lost its data loses the schedulers for good otherwise.
 *
 * One process does this at a time. While releases overlap, during a deploy, the newest decides: a process of an
 * older one changes nothing that a newer one has written, however often it is restarted. Only when no process of the
 * newer one has been seen for a while, as after a rollback, the older one takes over.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { JobSchedulerJson } from 'bullmq'
import { Unavailable } from '../kernel/errors.ts'
import { deadlineIn, remaining, type Service } from '../kernel/lifecycle.ts'
import { defaultPrefix, scheduleKeys, ticksQueue } from './keys.ts'
import { openScheduleStore, type AppliedSchedules } from './schedule-store.ts'
import type { Schedule } from './schedule.ts'
import { releaseLock } from './scripts.ts'
import { createTickServer, type TickServerOptions } from './serve-tick.ts'
import { repeatOptions } from './tick-strategy.ts'

export interface ScheduleRegistryOptions extends TickServerOptions {
  readonly schedules: readonly Schedule[]
  /** How often Redis is compared with what is declared. Default 30 s. */
  readonly everyMs?: number
  /** Which release of the code this is: grows with each. Default: when this process started. */
  readonly release?: number
  /** How long a newer release that no one runs any more still decides. Default 10 minutes. */
  readonly abandonedAfterMs?: number
}

export type Reconciliation =
  | {
      readonly outcome: 'reconciled'
      readonly applied: readonly string[]
      readonly removed: readonly string[]
    }
  /** Another process is at it. */
  | { readonly outcome: 'busy' }
  /** A newer release has written its schedules. */
  | { readonly outcome: 'superseded' }

export interface ScheduleRegistry extends Service {
  /** Compares and corrects once. Rejects when Redis can't be asked. */
  reconcile(): Promise<Reconciliation>
}

const lockTtlMs = 10_000
const defaultAbandonedAfterMs = 10 * 60_000
/** A scheduler whose tick is overdue for so long is looked at: did its chain of ticks break? */
const overdueMs = 5_000

export function createScheduleRegistry(options: ScheduleRegistryOptions): ScheduleRegistry {
  const { redis, queues, log, prefix = defaultPrefix, everyMs = 30_000 } = options
  const { abandonedAfterMs = defaultAbandonedAfterMs } = options
  const release = options.release ?? Math.floor(performance.timeOrigin)
  const declared = schedulesByName(options.schedules)
  const store = openScheduleStore(redis, prefix)
  const ticks = createTickServer(options)
  const { lock } = scheduleKeys(prefix)
  let timer: NodeJS.Timeout | undefined
  let round = Promise.resolve()
  let running = false

  async function reconcile(): Promise<Reconciliation> {
    const token = randomUUID()
    if ((await redis.set(lock, token, 'PX', lockTtlMs, 'NX')) === null) return { outcome: 'busy' }
    try {
      const inForce = await store.applied()
      if (inForce.release > release && differs(inForce) && !isAbandoned(inForce)) {
        return { outcome: 'superseded' }
      }
      return await correct(inForce)
    } finally {
      await releaseLock(redis, lock, token)
    }
  }

  function differs({ byName }: AppliedSchedules): boolean {
    return (
      byName.size !== declared.size ||
      [...declared].some(([name, { hash }]) => byName.get(name)?.hash !== hash)
    )
  }

  /** No one has confirmed it for so long that no one runs it: it was rolled back. */
  function isAbandoned({ confirmedAt }: AppliedSchedules): boolean {
    return confirmedAt !== null && Date.now() - confirmedAt > abandonedAfterMs
  }

  async function correct(inForce: AppliedSchedules): Promise<Reconciliation> {
    const schedulers = await readSchedulers()
    const applied: string[] = []
    for (const [name, schedule] of declared) {
      const before = inForce.byName.get(name)
      const scheduler = schedulers.get(name)
      if (before?.hash === schedule.hash && scheduler && !(await isBroken(scheduler))) continue
      await apply(schedule, before, scheduler)
      applied.push(name)
    }
    const known = new Set([...schedulers.keys(), ...inForce.byName.keys()])
    const removed = [...known].filter((name) => !declared.has(name))
    for (const name of removed) {
      await queues.bull(ticksQueue).removeJobScheduler(name)
      await store.remove(name)
    }
    if (inForce.release <= release || differs(inForce)) await store.confirm(release)
    if (applied.length + removed.length > 0)
      log.info({ applied, removed }, 'schedules were brought up to date')
    return { outcome: 'reconciled', applied, removed }
  }

  async function readSchedulers(): Promise<Map<string, JobSchedulerJson>> {
    const schedulers = await queues.bull(ticksQueue).getJobSchedulers(0, -1)
    return new Map(schedulers.map((scheduler) => [scheduler.key, scheduler]))
  }

  /** Each tick's job makes the next one. When such a job was removed by hand, or failed, the chain has ended. */
  async function isBroken({ key, next }: JobSchedulerJson): Promise<boolean> {
    if (next === undefined) return true
    if (next > Date.now() - overdueMs) return false
    const state = await queues.bull(ticksQueue).getJobState(`repeat:${key}:${next}`)
    return ['unknown', 'completed', 'failed'].includes(state)
  }

  async function apply(schedule: Schedule, before?: Schedule, scheduler?: JobSchedulerJson): Promise<void> {
    const { definition } = schedule
    const pending = scheduler?.next
    if (pending !== undefined && pending <= Date.now()) {
      // It was due by the timing that was in force until now.
      await ticks.serve({ ...definition, timing: (before ?? schedule).definition.timing }, pending)
    }
    await queues.bull(ticksQueue).upsertJobScheduler(definition.name, repeatOptions(definition.timing), {
      name: 'tick',
      data: definition,
      opts: { attempts: 10, backoff: { type: 'exponential', delay: 500 } },
    })
    await store.apply(schedule)
  }

  async function repeatedly(): Promise<void> {
    try {
      await reconcile()
    } catch (cause) {
      log.warn({ err: cause }, 'schedules could not be compared with Redis; it is tried again')
    }
    scheduleRound()
  }

  function scheduleRound(): void {
    clearTimeout(timer)
    if (!running) return
    // Processes that were started together drift apart.
    const inMs = everyMs * (0.6 + 0.4 * Math.random())
    timer = setTimeout(() => (round = repeatedly()), inMs)
  }

  return {
    reconcile,

    async start() {
      const deadline = deadlineIn(lockTtlMs * 1.5)
      while ((await reconcile()).outcome === 'busy') {
        if (remaining(deadline) === 0) throw new Unavailable('redis', { cause: 'schedules stay locked' })
        await wait(50)
      }
      running = true
      scheduleRound()
    },

    async stop(deadline) {
      running = false
      clearTimeout(timer)
      await Promise.race([round, wait(remaining(deadline), undefined, { ref: false })])
    },
  }
}

/** The schedules by name. Throws `TypeError` when two have the same one. */
export function schedulesByName(schedules: readonly Schedule[]): ReadonlyMap<string, Schedule> {
  const byName = new Map<string, Schedule>()
  for (const schedule of schedules) {
    const { name } = schedule.definition
    if (byName.has(name)) throw new TypeError(`two schedules are called ${name}`)
    byName.set(name, schedule)
  }
  return byName
}
