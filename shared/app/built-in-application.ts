import { defineApp } from './app.ts'

/** What a server runs that no application was named to: the built-in features and nothing else. */
export const builtInApplication = defineApp({ name: 'lockstep' })
