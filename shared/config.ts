/**
 * The configuration of every process, read in one place. `loadConfig` is pure: environment in, a frozen object
 * or every problem at once out. Durations are milliseconds.
 */

export const cacheModes = ['coherent', 'redis', 'memory', 'none'] as const
export type CacheMode = (typeof cacheModes)[number]

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

export type Durability = 'auto' | 'keep' | 'fence'

/** Where Redis is. `embedded` is resolved to a `unix` URL by the primary before any worker starts. */
export type RedisTarget =
  | { readonly kind: 'embedded' }
  | { readonly kind: 'single'; readonly url: string }
  | { readonly kind: 'sentinel'; readonly url: string }
  | { readonly kind: 'cluster'; readonly url: string }

export type DatabaseTarget =
  | { readonly kind: 'sqlite'; readonly file: string }
  | { readonly kind: 'postgres'; readonly url: string }

/** At most `limit` in any window of `windowMs`, or no limit. */
export type LimitRule = { readonly limit: number; readonly windowMs: number } | 'off'

export interface Config {
  readonly production: boolean
  readonly http: {
    readonly host: string
    readonly port: number
    /** Hops of proxy in front of us whose X-Forwarded-For counts. */
    readonly trustProxy: number
    /** Put the worker's id on each response. */
    readonly exposeWorker: boolean
    /** Where people reach us, without a trailing slash: for links in mails. Null: the address we listen on. */
    readonly publicUrl: string | null
    /** Origins of other sites that may call us from a browser. */
    readonly corsOrigins: readonly string[]
  }
  readonly workers: { readonly web: number; readonly jobs: number }
  readonly dataDir: string
  readonly redis: RedisTarget
  readonly database: DatabaseTarget
  readonly sessions: {
    readonly cache: CacheMode
    readonly idleMs: number
    readonly absoluteMs: number
    readonly rememberAbsoluteMs: number
    readonly maxPerUser: number
    readonly loginRevokes: 'none' | 'others'
    readonly durability: Durability
    readonly leaseMs: number
  }
  readonly limits: {
    readonly api: LimitRule
    readonly loginIp: LimitRule
    readonly loginAccount: LimitRule
  }
  /** The first administrator; null: generated. */
  readonly admin: { readonly email: string | null; readonly password: string | null }
  readonly mail: {
    /** smtp:// or smtps:// address; null: mails go to the log and to `dataDir`/mail. */
    readonly url: string | null
    readonly from: string
  }
  readonly metrics: { readonly host: string; readonly port: number } | null
  readonly graceMs: number
  readonly log: { readonly level: LogLevel }
}
