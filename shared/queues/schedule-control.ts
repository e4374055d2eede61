import type { Redis } from 'ioredis'
import { Unavailable } from '../kernel/errors.ts'
import { defaultPrefix } from './keys.ts'
import type { Queues } from './queues.ts'
import { openScheduleStore, type ScheduleStore } from './schedule-store.ts'

/** What people may do to a schedule that is in force. Each rejects with `Unavailable` when Redis can't be asked. */
export interface ScheduleControl {
  /** From now on its ticks get no run, on all hosts, until it is resumed. False: there is no such schedule. */
  pause(name: string): Promise<boolean>
  /** The next tick gets its run; those left out meanwhile are not made up for. False: there is no such schedule. */
  resume(name: string): Promise<boolean>
  /**
   * Gives it a run now, beside its ticks, also while it is paused. `running`: the last run is not over, and the schedule
   * forbids an overlap. Null: there is no such schedule.
   */
  runNow(name: string): Promise<{ readonly job: string; readonly id: string } | 'running' | null>
}

export function createScheduleControl(options: {
  redis: Redis
  queues: Pick<Queues, 'addRun'>
  prefix?: string
}): ScheduleControl {
  const store = openScheduleStore(options.redis, options.prefix ?? defaultPrefix)

  async function ifThere(name: string, act: (store: ScheduleStore) => Promise<void>): Promise<boolean> {
    const { byName } = await asked(store.applied())
    if (!byName.has(name)) return false
    await asked(act(store))
    return true
  }

  return {
    pause: (name) => ifThere(name, ({ pause }) => pause(name)),
    resume: (name) => ifThere(name, ({ resume }) => resume(name)),
    async runNow(name) {
      const schedule = (await asked(store.applied())).byName.get(name)
      if (schedule === undefined) return null
      const { definition } = schedule
      const now = Date.now()
      const added = await options.queues.addRun({ ...definition, jitterMs: 0 }, now)
      return added === 'added' ? { job: definition.job, id: `${name}@${now}` } : 'running'
    },
  }
}

async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (cause) {
    throw new Unavailable('redis', { cause })
  }
}
