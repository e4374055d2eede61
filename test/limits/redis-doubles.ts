/** A real Redis seen through a connection that misbehaves, for one script call at a time. */
import type { Redis } from 'ioredis'

type Script = (...args: unknown[]) => Promise<unknown>

/** The client with its script commands replaced. */
function withScripts(redis: Redis, replace: (run: Script) => Script): Redis {
  return new Proxy(redis, {
    get(target, property) {
      const own: unknown = Reflect.get(target, property, target)
      if (typeof own !== 'function') return own
      const bound = (own as Script).bind(target)
      return property === 'evalsha' || property === 'eval' ? replace(bound) : bound
    },
  })
}

/** Answers arrive only after the promise that `until` returns at that moment. */
export function delayingAnswers(redis: Redis, until: () => Promise<unknown>): Redis {
  return withScripts(redis, (run) => async (...args) => {
    const answer = await run(...args)
    await until()
    return answer
  })
}

/** While `on` returns true, each answer is the one that was given before it, once more. */
export function repeatingAnswers(redis: Redis, on: () => boolean): Redis {
  let last: unknown
  return withScripts(redis, (run) => async (...args) => {
    const repeated = last
    const answer = await run(...args)
    last = answer
    return on() && repeated !== undefined ? repeated : answer
  })
}

/** The scripts read their clock from this Lua expression, which may use `time`, the true time in ms. */
export function withScriptClock(redis: Redis, expression: () => string): Redis {
  const clock = /local function now_ms\(\)[\s\S]*?\nend/
  return new Proxy(redis, {
    get(target, property) {
      const own: unknown = Reflect.get(target, property, target)
      if (property === 'evalsha') {
        return () => Promise.reject(new Error('NOSCRIPT each script is sent with a clock of its own'))
      }
      if (typeof own !== 'function') return own
      const bound = (own as Script).bind(target)
      if (property !== 'eval') return bound
      return (source: string, ...args: unknown[]) => {
        const trueTime = `local t = redis.call('TIME') local time = t[1] * 1000 + math.floor(t[2] / 1000)`
        return bound(
          source.replace(clock, `local function now_ms() ${trueTime} return ${expression()} end`),
          ...args,
        )
      }
    },
  })
}

/** While `silent` returns true, a script is never answered. */
export function silentFor(redis: Redis, silent: () => boolean): Redis {
  return withScripts(
    redis,
    (run) =>
      (...args) =>
        silent() ? new Promise(() => {}) : run(...args),
  )
}
