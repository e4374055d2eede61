import { createPasswords } from '../../shared/accounts/passwords.ts'
import { openAccounts } from '../../shared/accounts/open-accounts.ts'
import { passwordProblem } from '../../shared/accounts/password-rules.ts'
import type { Config } from '../../shared/config.ts'
import { group, type Service } from '../../shared/lifecycle.ts'
import type { Logger } from '../../shared/log.ts'
import { createMailer } from '../../shared/mail/create-mailer.ts'
import { passwordResetMail } from '../../shared/mail/messages.ts'
import { openRedis, redisService } from '../../shared/redis/connections.ts'
import { createSessions } from '../../shared/sessions/create-sessions.ts'
import { createApp } from './app.ts'
import { createBackgroundWork } from './background-work.ts'
import { createHttpServer } from './http-server.ts'
import { createReadiness } from './readiness.ts'
import type { Route } from './route.ts'
import { followRuntimeSettings } from './runtime-settings.ts'

export interface WebWorkerOptions {
  readonly config: Config
  /** Which place among the workers this one holds; a replacement takes the place over. */
  readonly slot: number
  readonly log: Logger
  /** Something broke for good: the worker should be replaced. */
  onFatal(cause: unknown): void
  /** The application's own routes. */
  readonly routes?: readonly Route[]
}

/** A web worker: everything in one process that answers HTTP. */
export function createWebWorker(options: WebWorkerOptions): Service & { readonly port: number } {
  const { config, slot, log, onFatal, routes = [] } = options
  if (config.redis.kind === 'embedded')
    throw new TypeError('the primary resolves where the embedded Redis is')

  const redis = openRedis(config.redis, 'commands', { name: `web-${slot}` })
  const subscriber = openRedis(config.redis, 'subscriber', { name: `web-${slot}-subscriber` })
  const accounts = openAccounts(config.database)
  const passwords = createPasswords()
  const mailer = createMailer({ ...config.mail, dataDir: config.dataDir, log })
  const background = createBackgroundWork({ limit: 64, log })
  const sessions = createSessions({
    ...config.sessions,
    redis,
    subscriber,
    // The primary has found out what Redis keeps; not knowing, nobody stays signed in over its restart.
    durability: config.sessions.durability === 'keep' ? 'keep' : 'fence',
    onCorrupt: (hash) => log.warn({ session: hash }, 'a session in Redis is corrupted and was refused'),
  })
  const settings = followRuntimeSettings({ config, redis, sessions, log })
  const readiness = createReadiness({ redis: () => redis.ping(), database: () => accounts.ping() })

  const app = createApp({
    config,
    sessions,
    accounts,
    passwords,
    passwordProblem,
    mailer,
    passwordResetMail,
    background,
    readiness,
    settings,
    log,
    routes,
    workerId: `web-${slot}`,
    publicUrl: () => config.http.publicUrl ?? addressOf(config.http.host, http.port),
  })
  const http = createHttpServer({ ...config.http, handler: app.callback(), log, onFatal })

  const all = group([
    redisService(redis),
    redisService(subscriber),
    sessions,
    accounts,
    mailer,
    background,
    http,
    readiness,
  ])
  return {
    start: all.start,
    stop: all.stop,
    get port() {
      return http.port
    },
  }
}

function addressOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
