import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { foundLimits } from '../../server/cluster/boot/found-limits.ts'
import { createWebWorker, type WebWorker } from '../../server/web/worker.ts'
import { openAccounts } from '../../shared/accounts/open-accounts.ts'
import { createPasswords } from '../../shared/accounts/passwords.ts'
import type { App } from '../../shared/app/app.ts'
import { configure } from '../../shared/app/app-env.ts'
import { deploymentKeys, unnamedSpace } from '../../shared/deployment/deployment-keys.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { createJobWorker } from '../../workers/worker.ts'
import { eventually } from './eventually.ts'
import { password } from './http-app.ts'
import { startRedis } from './redis.ts'

/** Two web workers and a job worker that run an application, in this process, over a Redis of their own. */
export interface ApplicationWorkers {
  readonly web: readonly WebWorker[]
  /** Everything that was logged. */
  log(): string
  request(path: string, options?: ApplicationRequest): Promise<Response>
  /** Signs in the only user and gives the token. */
  signIn(): Promise<string>
  stop(): Promise<void>
}

export interface ApplicationRequest extends RequestInit {
  /** Which of the web workers, from 0. */
  readonly worker?: number
  readonly token?: string
  readonly json?: unknown
}

export const email = 'alice@example.com'

export async function startApplication(
  app: App,
  { env = {} }: { readonly env?: Readonly<Record<string, string>> } = {},
): Promise<ApplicationWorkers> {
  const redis = await startRedis()
  const dataDir = await mkdtemp(join(tmpdir(), 'lockstep-application-'))
  const environment = { WORKERS: '2', PORT: '0', DATA_DIR: dataDir, REDIS_URL: redis.url, ...env }
  const { config, env: own } = configure(app, environment)
  const accounts = openAccounts(config.database)
  await accounts.migrate()
  await accounts.start()
  const passwordHash = await createPasswords().hash(password)
  await accounts.create({ email, name: 'Alice', roles: ['user', ...(app.roles ?? [])], passwordHash })
  await accounts.stop(deadlineIn(1_000))
  const keys = deploymentKeys(unnamedSpace)
  await foundLimits({ kind: 'single', url: redis.url }, keys.limits)

  const logged: string[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) })
  const common = { app, env: own, config, keys, log }
  const web = [1, 2].map((slot) =>
    createWebWorker({
      ...common,
      slot,
      onFatal: (cause) => {
        throw cause
      },
    }),
  )
  const jobs = createJobWorker({ ...common, slot: 1 })
  for (const worker of [...web, jobs]) await worker.start()

  const running: ApplicationWorkers = {
    web,
    log: () => logged.join(''),
    request(path, { worker = 0, token, json, ...init } = {}) {
      const headers = new Headers(init.headers)
      if (token !== undefined) headers.set('Authorization', `Bearer ${token}`)
      if (json !== undefined) headers.set('Content-Type', 'application/json')
      const body = json === undefined ? init.body : JSON.stringify(json)
      const method = init.method ?? (body === undefined ? 'GET' : 'POST')
      const url = `http://127.0.0.1:${web[worker]?.port}${path}`
      return fetch(url, {
        ...init,
        method,
        headers,
        redirect: 'manual',
        ...(body === undefined ? {} : { body }),
      })
    },
    async signIn() {
      const answer = await running.request('/api/v1/auth/login', {
        json: { email, password, transport: 'token' },
      })
      return ((await answer.json()) as { token: string }).token
    },
    async stop() {
      await Promise.all([...web, jobs].map((worker) => worker.stop(deadlineIn(5_000))))
      await eventually(() => redis.stop())
      await rm(dataDir, { recursive: true, force: true })
    },
  }
  return running
}
