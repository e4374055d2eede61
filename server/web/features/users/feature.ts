import type { ServerFeature } from '../feature.ts'
import { userRoutes } from './users.ts'

/** Accounts, as administrators see and change them. */
export const users: ServerFeature = ({ services, sessions }) => ({
  name: 'users',
  routes: services.ownAccounts ? userRoutes({ ...services, sessions }) : [],
})
