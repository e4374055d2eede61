/**
 * The signal of a request: aborted when its session ends, its client goes or its worker has to stop, so that what works
 * for it (queries, fetches, timers) ends too. Made when a handler first asks for it, and costs nothing before.
 */
import type { AppContext, RequestWork } from '../../../shared/app/context.ts'
import { remaining, type Deadline, type Service } from '../../../shared/kernel/lifecycle.ts'
import type { SessionWatch } from '../../../shared/live/session-watch.ts'
import { WorkEnded, type WorkEndReason } from '../../../shared/live/work-ended.ts'
import { allowedBy } from './allowed-by.ts'

/** What handlers have between the signal and the end of their worker. */
const lastMomentsMs = 1_000

export function watchRequests(watch: SessionWatch): RequestWork & Service {
  const known = new WeakMap<object, AbortSignal>()
  const underWay = new Set<(reason: WorkEndReason) => void>()

  function begin(ctx: AppContext): AbortSignal {
    const { res, state } = ctx
    const { identity, token, route } = state
    const work = new AbortController()
    const end = (reason: WorkEndReason) => {
      if (!work.signal.aborted) work.abort(new WorkEnded(reason))
    }
    underWay.add(end)
    const watched =
      identity !== null && token !== null && route !== null
        ? watch.watch({ token, userId: identity.user.id, allows: allowedBy(route.access), ended: end })
        : null
    // Redis being away is no end: who needs to know asks it.
    res.once('close', () => {
      underWay.delete(end)
      watched?.release()
      if (!res.writableFinished) end('client-gone')
    })
    if (res.destroyed) end('client-gone')
    return work.signal
  }

  return {
    signalOf(ctx) {
      const signal = known.get(ctx.res) ?? begin(ctx)
      known.set(ctx.res, signal)
      return signal
    },
    async start() {},
    async stop(deadline: Deadline) {
      const stop = () => {
        for (const end of underWay) end('worker-stopping')
      }
      setTimeout(stop, Math.max(0, remaining(deadline) - lastMomentsMs)).unref()
    },
  }
}
