import type { App } from '../../../../shared/app/app.ts'
import type { Feature } from '../../../../shared/app/feature.ts'
import type { ServerParts } from '../feature.ts'
import { asset } from '../pages/assets.ts'
import { createLimitOperations } from '../limits/limit-operations.ts'
import { createScheduleOperations } from '../jobs/schedule-operations.ts'
import { createSettingsOperations } from '../settings/settings-operations.ts'
import { createUserOperations } from '../users/user-operations.ts'
import { createWorkerOperations } from '../workers/worker-operations.ts'
import { consoleScript } from './admin-page.ts'
import { auditPages } from './audit-pages.ts'
import { limitPages } from './limits-page.ts'
import { overviewPage } from './overview.ts'
import { schedulePages } from './schedules-page.ts'
import { settingsPages } from './settings-page.ts'
import { userPages } from './user-page.ts'
import { usersPages } from './users-pages.ts'
import { workerPages } from './workers-page.ts'

/** The console: pages for those who operate the server, of the features that the application has left in. */
export function admin({ services, sessions }: ServerParts, left: App['features']): Feature {
  const { accounts, settings, limits, ownAccounts, primary, readiness, recordAuthEvent, roles } = services
  const isThere = (feature: keyof App['features']) => left[feature] !== false
  const workers = primary && isThere('workers') ? createWorkerOperations({ ...services, primary }) : null
  const settingsOperations = isThere('settings') ? createSettingsOperations(services) : null
  const users = ownAccounts && isThere('users') ? createUserOperations({ ...services, sessions }) : null
  const { settingsSchema } = services
  return {
    name: 'admin',
    pages: [
      asset(consoleScript, import.meta.dirname, 'console.js', 'text/javascript; charset=utf-8'),
      overviewPage({ workers, readiness, settings }),
      ...(workers ? workerPages(workers) : []),
      ...(users ? [...usersPages(users, roles), ...userPages(users, roles, isThere('audit'))] : []),
      ...(isThere('limits')
        ? limitPages({
            limits: createLimitOperations({ limits, recordAuthEvent }),
            limiter: limits.limiter,
            settings: settingsOperations,
          })
        : []),
      ...(settingsOperations
        ? settingsPages({ settings: settingsOperations, ...(settingsSchema ? { settingsSchema } : {}) })
        : []),
      ...(isThere('jobs') ? schedulePages(createScheduleOperations(services), isThere('dashboard')) : []),
      ...(isThere('audit') ? auditPages({ accounts, recordAuthEvent, usersAreThere: users !== null }) : []),
    ],
  }
}
