/** The queue in which the clock's ticks wait. */
export const ticksQueue = 'schedules'

/** What each queue's keys begin with, in BullMQ's manner: `{lockstep}:echo:wait`, `{lockstep}:echo:<job id>`. */
export const defaultPrefix = '{lockstep}'

/** Keys of ours, beside BullMQ's. The braces of the prefix keep all in one slot of a Redis Cluster. */
export interface ScheduleKeys {
  /** `{lockstep}:schedules-applied` hash: schedule name to `{"hash","definition"}`, `@build`, `@confirmed` to numbers. */
  readonly applied: string
  /** `{lockstep}:schedules-lock` string: who reconciles at the moment, with a TTL. */
  readonly lock: string
  /** `{lockstep}:schedules-served` hash: `<name>:tick`, the last tick served, `<name>:run`, the last that ran. */
  readonly served: string
  /** `{lockstep}:schedules-paused` set of the names of schedules whose ticks get no run at the moment. */
  readonly paused: string
}

export function scheduleKeys(prefix: string): ScheduleKeys {
  const at = (suffix: string) => `${prefix}:schedules-${suffix}`
  return { applied: at('applied'), lock: at('lock'), served: at('served'), paused: at('paused') }
}
