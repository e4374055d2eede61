import {
  createHistogram,
  reading,
  type Histogram,
  type Reading,
} from '../../shared/telemetry/metrics/reading.ts'
import type { Route } from '../../shared/app/route.ts'

export interface RequestMeter {
  /** One answered request; `route` is null when none was found. */
  observe(route: Route | null, status: number, ms: number): void
  /** How many there were so far. */
  answered(): number
  read(): Reading[]
}

/** Durations of requests by route and class of status. Once a request: nothing is built, only looked up. */
export function createRequestMeter(worker: string): RequestMeter {
  const byRoute = new Map<Route | null, Histogram[]>()
  let answered = 0

  return {
    observe(route, status, ms) {
      answered += 1
      let classes = byRoute.get(route)
      if (classes === undefined) byRoute.set(route, (classes = []))
      const family = Math.floor(status / 100)
      const histogram = (classes[family] ??= createHistogram('lockstep_http_request_duration_seconds'))
      histogram.observe(ms / 1e3)
    },
    answered: () => answered,
    read() {
      const durations = [...byRoute].flatMap(([route, classes]) =>
        classes.map((histogram, family) =>
          histogram.read({
            route: route?.path ?? 'none',
            method: route?.method ?? 'other',
            status: `${family}xx`,
          }),
        ),
      )
      return [...durations, reading('lockstep_http_requests_total', answered, { worker })]
    },
  }
}
