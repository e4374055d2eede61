import type { Config, Facts } from '../config/config.ts'
import type { Environment } from '../config/environment.ts'
import { applicationFile } from '../process/assignment.ts'
import { readEnvFile } from '../process/env-file.ts'
import { configure } from './app-env.ts'
import type { App } from './app.ts'
import { builtInApplication } from './built-in-application.ts'
import { loadApp } from './load-app.ts'

export interface WorkerApplication {
  readonly app: App
  /** The application's own variables, as its schema reads them. */
  readonly env: object
  readonly config: Config
  /** Where the application is; null for the built-in one. */
  readonly file: string | null
  readonly release: number | null
}

/** What a worker runs, and its configuration: the application is loaded first, since it has variables of its own. */
export async function loadForWorker(
  environment: Environment,
  facts: Omit<Partial<Facts>, 'applicationVariables'>,
): Promise<WorkerApplication> {
  // Forked by our primary it has them already.
  readEnvFile(facts.cwd)
  const file = applicationFile(environment)
  if (file === null) {
    return { app: builtInApplication, file, release: null, ...configure({}, environment, facts) }
  }
  const { app, release } = await loadApp(file, facts.cwd)
  return { app, file, release, ...configure(app, environment, facts) }
}
