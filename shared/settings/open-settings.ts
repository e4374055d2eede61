/**
 * Settings that all processes of an application share, for one with a server of its own:
 *
 * ```ts
 * const settings = openSettings({ name: 'shop', redis: url, schema: z.object({ checkout: z.boolean().default(true) }) })
 * await settings.start()
 * if (!(await settings.decide()).checkout) ctx.throw(503)
 * await settings.change({ checkout: false })   // every process decides by it from now on, else `Unavailable`
 * ```
 */
import { z } from 'zod'
import { placePart, requireOptions, type PartPlace } from '../domain/part-place.ts'
import { NotStarted } from '../kernel/errors.ts'
import { deadlineIn, type Deadline, type Service } from '../kernel/lifecycle.ts'
import { isObjectSchema, schemaProblem } from '../kernel/zod-schema.ts'
import { accept, ownFields, settingsProblems } from './own-settings.ts'
import { createSettings, type Settings } from './settings.ts'

export type OpenSettingsOptions<Schema extends z.ZodObject> = PartPlace & {
  /** A zod object; each field has a default, which applies where no one has changed it. One schema for each name. */
  readonly schema: Schema
  /** Called in every process with what applies from now on, and with what did before. */
  readonly onChange?: (now: z.output<Schema>, before: z.output<Schema>) => void
  /** What lies in Redis can't be read and is not followed: the next change replaces it. Default: a warning. */
  readonly onInvalid?: (cause: unknown) => void
}

/** Everything throws, or rejects with, `NotStarted` before `start()` and after `stop()`. */
export interface OpenSettings<Values extends object> {
  /** What this process follows, for those who look. */
  current(): Readonly<Values>
  /**
   * The values to decide by: at once while this process has its lease, else read from Redis. Rejects with `Unavailable`
   * when they can't be.
   */
  decide(): Readonly<Values> | Promise<Readonly<Values>>
  /**
   * Changes some values in every process; `null` goes back to the default. Resolves when each follows, or can't decide
   * without asking; rejects with `Unavailable` when that could not be confirmed (asking again is safe), and with a
   * `TypeError` for what the schema refuses.
   */
  change(changes: { readonly [Name in keyof Values]?: Values[Name] | null }): Promise<Readonly<Values>>
  /** Resolves when Redis was found fit and what is set there is followed. */
  start(): Promise<void>
  stop(deadline?: Deadline): Promise<void>
}

const closingMs = 5_000

/** Throws a `ConfigurationError` with everything that is wrong with the options. Connects at `start()`. */
export function openSettings<Schema extends z.ZodObject>(
  options: OpenSettingsOptions<Schema>,
): OpenSettings<z.output<Schema>> {
  type Values = z.output<Schema>
  requireOptions(options, 'openSettings')
  const { domain, together } = placePart(options, problemsOf(options.schema))
  const fields = ownFields(options.schema)
  const { onChange = () => {}, onInvalid = warn } = options
  let running: Settings<Values> | null = null

  const service: Service = {
    async start() {
      const { redis, coherence, keys } = domain.use()
      running = createSettings<Values>({
        redis,
        bus: coherence,
        key: keys.settings,
        schema: knownOnly(options.schema),
        defaults: options.schema.parse({}) as Values,
        onChange,
        onInvalid,
      })
      await running.refresh()
    },
    async stop() {
      running = null
    },
  }
  const all = together(service)

  function use(): Settings<Values> {
    if (running === null) throw new NotStarted(domain.name, 'the settings')
    return running
  }

  return {
    current: () => use().current().values,
    decide: () => use().decide(),
    async change(changes) {
      const settings = use()
      const accepted = Object.entries(changes).map(([name, value]) => [name, accept(fields, name, value)])
      return (await settings.change(Object.fromEntries(accepted))).values
    },
    start: all.start,
    stop: (deadline = deadlineIn(closingMs)) => all.stop(deadline),
  }
}

function warn(): void {
  process.emitWarning('the settings in Redis are not readable and are not followed', 'LockstepWarning')
}

function problemsOf(schema: unknown): string[] {
  const problem = schemaProblem(schema)
  if (problem !== null) return [`schema ${problem}`]
  if (!isObjectSchema(schema)) return ['schema must be a z.object, with a field for each setting']
  return settingsProblems(schema)
}

/** A setting that another release had is left alone: it must not void all others. */
function knownOnly<Schema extends z.ZodObject>(schema: Schema): z.ZodType<z.output<Schema>> {
  return z.preprocess(
    (stored) => Object.fromEntries(Object.entries(stored as object).filter(([name]) => name in schema.shape)),
    schema,
  ) as unknown as z.ZodType<z.output<Schema>>
}
