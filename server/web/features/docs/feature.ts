import type { Feature } from '../../../../shared/app/feature.ts'
import type { Sessions } from '../../../../shared/sessions/index.ts'
import { documentationRoutes, type Documented } from './documentation.ts'

/** The documentation of the API, which describes the routes once all of them are known. */
export function docs(documented: () => Documented, sessions: Pick<Sessions, 'authenticate'>): Feature {
  return { name: 'docs', routes: documentationRoutes(documented, sessions) }
}
