/** Every built-in feature, and the application beside them: registered by one call. */
import type { App } from '../../../shared/app/app.ts'
import type { Parts } from '../../../shared/app/parts.ts'
import { leftIn, registerFeatures, type RegisteredFeatures } from '../../../shared/app/register-features.ts'
import { account } from './account/feature.ts'
import { admin } from './admin/feature.ts'
import { audit } from './audit/feature.ts'
import { auth } from './auth/feature.ts'
import { dashboard } from './dashboard/feature.ts'
import { docs } from './docs/feature.ts'
import type { ServerFeature, ServerParts } from './feature.ts'
import { health } from './health/feature.ts'
import { jobs } from './jobs/feature.ts'
import { limits } from './limits/feature.ts'
import { pages } from './pages/feature.ts'
import { settings } from './settings/feature.ts'
import { users } from './users/feature.ts'
import { workers } from './workers/feature.ts'

const builtIn: readonly ServerFeature[] = [
  auth,
  account,
  users,
  settings,
  workers,
  limits,
  audit,
  jobs,
  health,
  dashboard,
  pages,
]

/** The features of a server that runs this application, but for those that it leaves out. */
export function composeFeatures(server: ServerParts, app: App, parts: Parts): RegisteredFeatures {
  const registered: RegisteredFeatures = registerFeatures([
    ...leftIn(
      [
        ...builtIn.map((feature) => feature(server)),
        admin(server, app.features),
        docs(() => ({ routes: registered.documented, tagOf: registered.featureOf }), server.sessions),
      ],
      app,
    )
      // What handlers of built-in features need is in their hands by now; the argument is the same for all.
      .map((feature) => ({ feature, parts })),
    { feature: app, parts },
  ])
  return registered
}
