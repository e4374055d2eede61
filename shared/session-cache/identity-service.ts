/** The other service, as far as we depend on it: each question bounded, and whether it answers at all remembered. */
import type { Clock } from '../kernel/clock.ts'
import { messageOf } from '../kernel/errors.ts'

/** It did not answer, or said that it can't: nothing is known of the token. */
export class IdentityServiceAway extends Error {
  readonly status = 503

  constructor(cause: unknown) {
    super(`the identity service can't be asked right now: ${messageOf(cause)}`, { cause })
    this.name = 'IdentityServiceAway'
  }
}

export interface IdentityServiceOptions {
  readonly clock: Clock
  readonly timeoutMs: number
  /** A service that is away is asked again after this time. */
  readonly pauseMs: number
}

export type IdentityService = ReturnType<typeof watchIdentityService>

export function watchIdentityService({ clock, timeoutMs, pauseMs }: IdentityServiceOptions) {
  let state: 'unknown' | 'up' | 'away' = 'unknown'
  let failedAt = -Infinity
  let lastCause: unknown = null

  return {
    get state() {
      return state
    },

    /** Throws while it is away and was asked a moment ago. */
    mind(): void {
      if (state === 'away' && clock.mono() - failedAt < pauseMs) throw new IdentityServiceAway(lastCause)
    },

    /** Rejects with `IdentityServiceAway` when there is no answer in time; what comes later is not looked at. */
    async ask<T>(question: (options: { readonly signal: AbortSignal }) => T | Promise<T>): Promise<T> {
      const controller = new AbortController()
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => {
          reject(new Error(`no answer within ${timeoutMs} ms`))
          controller.abort()
        }, timeoutMs)
      })
      try {
        const asked = Promise.resolve().then(() => question({ signal: controller.signal }))
        const answer = await Promise.race([asked, late])
        state = 'up'
        return answer
      } catch (cause) {
        state = 'away'
        failedAt = clock.mono()
        lastCause = cause
        throw new IdentityServiceAway(cause)
      } finally {
        clearTimeout(timer)
      }
    },
  }
}
