import { startTestApp } from 'lockstep/testing'
import type { App } from '../../shared/app/app.ts'
import { password } from './http-app.ts'

/** Two web workers and a job worker that run an application, in this process: `lockstep/testing`, asked by `fetch`. */
export interface ApplicationWorkers {
  /** `http://127.0.0.1:PORT` of each web worker. */
  readonly urls: readonly string[]
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
  const { urls, log, stop, signIn } = await startTestApp(app, { workers: 2, jobWorkers: 1, env })
  let registered = false

  const running: ApplicationWorkers = {
    urls,
    log,
    stop,
    request(path, { worker = 0, token, json, ...init } = {}) {
      const headers = new Headers(init.headers)
      if (token !== undefined) headers.set('Authorization', `Bearer ${token}`)
      if (json !== undefined) headers.set('Content-Type', 'application/json')
      const body = json === undefined ? init.body : JSON.stringify(json)
      const method = init.method ?? (body === undefined ? 'GET' : 'POST')
      return fetch(`${urls[worker]}${path}`, {
        ...init,
        method,
        headers,
        redirect: 'manual',
        ...(body === undefined ? {} : { body }),
      })
    },
    async signIn() {
      if (!registered) {
        registered = true
        return (await signIn({ email, password, roles: ['user', ...(app.roles ?? [])] })).token
      }
      const answer = await running.request('/api/v1/auth/login', {
        json: { email, password, transport: 'token' },
      })
      return ((await answer.json()) as { token: string }).token
    },
  }
  return running
}
