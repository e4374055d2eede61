/** What administrators may change while the server runs, for all workers at once. */
import type { Redis } from 'ioredis'
import type { Logger } from 'pino'
import { z } from 'zod'
import { cacheModes, logLevels, type Config, type LimitRule } from '../config/config.ts'
import { formatLimitRule, limitRule } from '../config/limit-rule.ts'
import { Refusal } from '../config/grammar.ts'
import type { Announcements } from '../coherence/index.ts'
import type { SessionService } from '../sessions/index.ts'
import type { AppSettings } from '../app/parts.ts'
import { accept, ownFields, ownName, storedName, storedNames } from './own-settings.ts'
import { createSettings, type Settings } from './settings.ts'

const limitText = z.string().refine((text) => !(limitRule.parse(text) instanceof Refusal), {
  error: () => `must be ${limitRule.accepts}, such as ${limitRule.example}`,
})

export const runtimeSettingsSchema = z.strictObject({
  /** Only administrators, sign-in and health checks are served. */
  maintenance: z.boolean(),
  cacheMode: z.enum(cacheModes),
  logLevel: z.enum(logLevels),
  limitApi: limitText,
  limitLoginIp: limitText,
  limitLoginAccount: limitText,
})
export type RuntimeSettings = z.output<typeof runtimeSettingsSchema>

export interface RuntimeSettingsParts {
  readonly config: Pick<Config, 'sessions' | 'log' | 'limits'>
  readonly redis: Redis
  readonly coherence: Announcements
  readonly sessions: Pick<SessionService, 'setCacheMode'>
  readonly log: Logger
  /** Where they lie in Redis. */
  readonly key: string
  /** The application's own, each with a default. */
  readonly own?: z.ZodObject
  /** Called with the rules of the limits whenever one of them changes. */
  readonly onLimits?: (limits: Config['limits']) => void
}

/** Lets this worker follow the settings that all workers share. */
export function followRuntimeSettings(parts: RuntimeSettingsParts): Settings<RuntimeSettings> {
  const { config, redis, coherence, sessions, log, key, own, onLimits = () => {} } = parts
  return createSettings({
    redis,
    key,
    bus: coherence,
    schema: withOwn(own),
    defaults: {
      maintenance: false,
      cacheMode: config.sessions.cache,
      logLevel: config.log.level,
      limitApi: formatLimitRule(config.limits.api),
      limitLoginIp: formatLimitRule(config.limits.loginIp),
      limitLoginAccount: formatLimitRule(config.limits.loginAccount),
      ...storedNames(own?.parse({}) ?? {}),
    },
    onChange(now, before) {
      if (now.cacheMode !== before.cacheMode) sessions.setCacheMode(now.cacheMode)
      if (now.logLevel !== before.logLevel) log.level = now.logLevel
      onLimits(limitsOf(now))
    },
    onInvalid: (err) => log.warn({ err }, 'the settings in Redis are not readable and are not followed'),
  })
}

/** Whether only administrators are served, by the values to decide by. */
export function maintenanceOf(
  values: RuntimeSettings | Promise<RuntimeSettings>,
): boolean | Promise<boolean> {
  return values instanceof Promise ? values.then(({ maintenance }) => maintenance) : values.maintenance
}

/** A setting that another release of the application had is left alone: it must not void all others. */
function withOwn(own: z.ZodObject | undefined): z.ZodType<RuntimeSettings> {
  const known = runtimeSettingsSchema.extend(storedNames(own?.shape ?? {}) as z.ZodRawShape)
  return z.preprocess((stored) => {
    const fields = Object.entries(stored as object)
    return Object.fromEntries(fields.filter(([name]) => name in known.shape || ownName(name) === null))
  }, known) as z.ZodType as z.ZodType<RuntimeSettings>
}

/** The part of the shared settings that is the application's. */
export function ownSettings(settings: Settings<RuntimeSettings>, own: z.ZodObject | undefined): AppSettings {
  const fields = ownFields(own)
  const pick = (values: object) =>
    Object.fromEntries(
      Object.keys(fields).map((name) => [name, (values as Record<string, unknown>)[storedName(name)]]),
    )

  return {
    current: () => pick(settings.current().values),
    async change(changes) {
      const accepted = Object.entries(changes).map(([name, value]) => [name, accept(fields, name, value)])
      return pick((await settings.change(storedNames(Object.fromEntries(accepted)))).values)
    },
  }
}

/** The rules of the limits that settings hold. */
export function limitsOf(settings: RuntimeSettings): Config['limits'] {
  return {
    api: ruleOf(settings.limitApi),
    loginIp: ruleOf(settings.limitLoginIp),
    loginAccount: ruleOf(settings.limitLoginAccount),
  }
}

function ruleOf(text: string): LimitRule {
  const rule = limitRule.parse(text)
  if (rule instanceof Refusal) throw new TypeError(`not a limit: ${text}`)
  return rule
}
