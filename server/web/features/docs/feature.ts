import type { Feature } from '../../../../shared/app/feature.ts'
import type { Sessions } from '../../../../shared/sessions/index.ts'
import type { Route } from '../../../../shared/app/route.ts'
import { documentationRoutes } from './documentation.ts'
import { describeRoutes, type Json } from './openapi.ts'
import { referencePage } from './reference-page.ts'

/** The routes that programs call, and what each of them belongs to. */
export interface Documented {
  readonly routes: readonly Route[]
  tagOf(route: Route): string
}

/** The documentation of the API, for programs and for people, which describes the routes once all of them are known. */
export function docs(documented: () => Documented, sessions: Pick<Sessions, 'authenticate'>): Feature {
  const document = (): Json => {
    const { routes, tagOf } = documented()
    return describeRoutes(routes, tagOf)
  }
  return { name: 'docs', routes: documentationRoutes(document, sessions), pages: [referencePage(document)] }
}
