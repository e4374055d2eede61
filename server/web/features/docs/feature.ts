import type { Route } from '../../../../shared/app/route.ts'
import type { Feature } from '../../../../shared/app/feature.ts'
import { documentationRoutes } from './documentation.ts'

/** The documentation of the API, which describes `routes` once all of them are known. */
export function docs(routes: () => readonly Route[]): Feature {
  return { name: 'docs', routes: documentationRoutes(routes) }
}
