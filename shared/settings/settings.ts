/**
 * Settings that can be changed while running and that all workers share.
 *
 * Redis holds what differs from the configuration (the overrides), as one versioned text. A change is written only
 * on top of what it was made from, and then announced in the same order and with the same certainty as a revocation:
 * when `change` resolves, every worker follows it, or reads the text again before it decides by it. A worker that may have
 * missed an announcement reads it again before it acknowledges anything. Without Redis, or after it lost its data, the configuration's own values apply.
 */
import type { Redis } from 'ioredis'
import { z } from 'zod'
import type { Announcements } from '../coherence/index.ts'
import { Unavailable } from '../kernel/errors.ts'
import { loadScript, runScript } from '../kernel/redis/script.ts'

/** How all workers are told, and told again; see shared/coherence. */
export type SettingsBus = Announcements

export interface SettingsOptions<Values extends object> {
  readonly redis: Redis
  readonly bus: SettingsBus
  readonly key: string
  /** What may be stored: every field of `Values`, each checked. */
  readonly schema: z.ZodType<Values>
  /** What applies where nothing is overridden. */
  readonly defaults: Values
  /** Called with what applies from now on, and with what did before. */
  readonly onChange: (now: Values, before: Values) => void
  /** What is stored is not what we would have written: it is left alone and not followed. */
  readonly onInvalid?: (cause: unknown) => void
}

export interface SettingsView<Values extends object> {
  readonly values: Values
  /** The names of those that differ from the configuration. */
  readonly overridden: readonly (keyof Values & string)[]
  readonly version: number
}

export interface Settings<Values extends object> {
  /** What this worker follows, for those who look. */
  current(): SettingsView<Values>
  /**
   * The values to decide by. A worker that has no lease may have been given up on by whoever changed them, so it reads
   * them again first; throws `Unavailable` when it can't.
   */
  decide(): Values | Promise<Values>
  /** Reads what is stored. Rejects with `Unavailable` when Redis can't be asked. */
  refresh(): Promise<void>
  /** What is stored can't be read, so it is not followed; the next change replaces it. */
  readonly unreadable: boolean
  /**
   * Changes some values for all workers (`null`: back to the configuration's). Resolves when every worker follows;
   * throws `Unavailable` when that could not be confirmed: asking again is safe.
   */
  change(changes: { readonly [Name in keyof Values]?: Values[Name] | null }): Promise<SettingsView<Values>>
}

/** What lies in Redis. The lineage tells data from before a loss from data after it, whose versions begin anew. */
const storedSchema = z.strictObject({
  lineage: z.string().max(64),
  version: z.int().positive(),
  overrides: z.record(z.string(), z.unknown()),
})
type Stored = z.output<typeof storedSchema>

const kind = 'settings'
const replace = loadScript(new URL('./lua/', import.meta.url), 'replace')
const attempts = 20

export function createSettings<Values extends object>(options: SettingsOptions<Values>): Settings<Values> {
  const { redis, bus, key, schema, defaults, onChange, onInvalid = () => {} } = options
  let stored: Stored | null = null
  let values = defaults
  let unreadable = false

  function parse(text: string | null): Stored | null {
    if (text === null || text === '') return null
    return storedSchema.parse(JSON.parse(text))
  }

  function valuesOf(next: Stored | null): Values {
    return schema.parse({ ...defaults, ...next?.overrides })
  }

  function adopt(text: string | null): void {
    try {
      const next = parse(text)
      // Told late: what is followed already is newer.
      if (next && stored && next.lineage === stored.lineage && next.version <= stored.version) return
      const before = values
      values = valuesOf(next)
      stored = next
      onChange(values, before)
      unreadable = false
    } catch (cause) {
      notFollowed(cause)
    }
  }

  function notFollowed(cause: unknown): void {
    if (!unreadable) onInvalid(cause)
    unreadable = true
  }

  /** Rejects only when Redis can't be asked: what is there and is no text is as unreadable as a text that is not ours. */
  async function readAgain(): Promise<void> {
    let text: string | null
    try {
      text = await redis.get(key)
    } catch (cause) {
      if (!isOfAnotherType(cause)) throw cause
      return notFollowed(cause)
    }
    adopt(text)
  }

  bus.follow(kind, { apply: adopt, refresh: readAgain })

  function view(): SettingsView<Values> {
    return {
      values,
      overridden: Object.keys(stored?.overrides ?? {}) as (keyof Values & string)[],
      version: stored?.version ?? 0,
    }
  }

  async function write(changes: Record<string, unknown>): Promise<string> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const text = await storedText()
      const base = readable(text) ?? { lineage: crypto.randomUUID(), version: 0, overrides: {} }
      const merged = Object.entries({ ...base.overrides, ...changes }).filter(([, value]) => value !== null)
      const next: Stored = { ...base, version: base.version + 1, overrides: Object.fromEntries(merged) }
      valuesOf(next)
      const nextText = JSON.stringify(next)
      if ((await runScript(redis, replace, [key], [text, nextText])) === 1) return nextText
    }
    throw new Error('the settings were changed by others all the time')
  }

  async function storedText(): Promise<string> {
    try {
      return (await redis.get(key)) ?? ''
    } catch (cause) {
      if (isOfAnotherType(cause)) return ''
      throw cause
    }
  }

  /** A text that is not ours is replaced by the next change: no one follows it anyway. */
  function readable(text: string): Stored | null {
    try {
      const found = parse(text)
      if (found) valuesOf(found)
      return found
    } catch {
      return null
    }
  }

  async function refresh(): Promise<void> {
    try {
      await readAgain()
    } catch (cause) {
      throw new Unavailable('redis', { cause })
    }
  }

  return {
    current: view,
    refresh,
    decide: () => (bus.leaseOk() ? values : refresh().then(() => values)),
    get unreadable() {
      return unreadable
    },
    async change(changes) {
      let text: string
      try {
        text = await write(changes)
      } catch (cause) {
        throw new Unavailable('redis', { cause })
      }
      await bus.announce(kind, text)
      adopt(text)
      return view()
    },
  }
}

function isOfAnotherType(cause: unknown): boolean {
  return cause instanceof Error && cause.message.startsWith('WRONGTYPE')
}
