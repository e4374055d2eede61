import type { ServerFeature } from '../feature.ts'
import { settingsRoutes } from './settings.ts'

/** What administrators change while the server runs. */
export const settings: ServerFeature = ({ services }) => ({
  name: 'settings',
  routes: settingsRoutes(services),
})
