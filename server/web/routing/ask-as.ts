import type { Feature } from '../../../shared/app/feature.ts'
import { askerOf, partsFor } from '../../../shared/app/on-behalf.ts'
import type { Route } from '../../../shared/app/route.ts'
import type { Standings } from '../../../shared/sessions/index.ts'

/** The feature whose routes and pages enqueue jobs on behalf of who is asking. */
export function withAskers<F extends Feature>(feature: F, standings: Pick<Standings, 'generationOf'>): F {
  const asking = (route: Route): Route => ({
    ...route,
    handler: (ctx, input, parts) => route.handler(ctx, input, partsFor(askerOf(ctx, standings), parts)),
  })
  const { routes = [], pages = [] } = feature
  return { ...feature, routes: routes.map(asking), pages: pages.map(asking) }
}
