/**
 * What kind of schema a value is, by its structure: an application may have a copy of zod of its own, whose classes are
 * not ours, and `instanceof` would refuse schemas that work.
 */
import type { z } from 'zod'

interface Internals {
  readonly def?: {
    readonly type?: string
    readonly catchall?: { readonly _zod?: Internals }
    readonly element?: unknown
    readonly innerType?: unknown
  }
  readonly traits?: ReadonlySet<string>
}

/** Why a value can't be used as a schema, or null. zod 3 and zod/mini are told apart by name. */
export function schemaProblem(value: unknown): string | null {
  const internals = internalsOf(value)
  if (internals === null) {
    const isZod3 = typeof (value as { _def?: { typeName?: unknown } } | null)?._def?.typeName === 'string'
    return isZod3 ? 'is a schema of zod 3: use zod 4' : 'is not a zod schema'
  }
  if (internals.traits?.has('ZodType') === true) return null
  return 'is a schema of zod/mini: use the same from zod'
}

/**
 * Strict objects name their fields; records are bounded by the schema of their keys. A list does so when its elements do,
 * or have no fields.
 */
export function namesItsFields(schema: unknown): boolean {
  const def = internalsOf(schema)?.def
  if (def?.type === 'array') return isScalar(def.element) || namesItsFields(def.element)
  return isStrictObject(schema) || def?.type === 'record'
}

export function isListSchema(schema: unknown): boolean {
  return internalsOf(schema)?.def?.type === 'array'
}

/** The fields of an object whose values are lists, also where they may be left out. */
export function listsIn(schema: unknown): string[] {
  if (!isObjectSchema(schema)) return []
  return Object.entries(schema.shape).flatMap(([name, field]) =>
    isListSchema(unwrapped(field)) ? [name] : [],
  )
}

/** Without what says that it may be left out, or what it is then. */
function unwrapped(schema: unknown): unknown {
  const def = internalsOf(schema)?.def
  return def?.innerType === undefined ? schema : unwrapped(def.innerType)
}

const scalars: readonly string[] = ['string', 'number', 'int', 'boolean', 'enum', 'literal', 'bigint', 'date']

function isScalar(schema: unknown): boolean {
  return scalars.includes(internalsOf(schema)?.def?.type ?? '')
}

export function isStrictObject(schema: unknown): schema is z.ZodObject {
  const def = internalsOf(schema)?.def
  return def?.type === 'object' && def.catchall?._zod?.def?.type === 'never'
}

export function isObjectSchema(schema: unknown): schema is z.ZodObject {
  return internalsOf(schema)?.def?.type === 'object'
}

function internalsOf(value: unknown): Internals | null {
  return (value as { _zod?: Internals } | null | undefined)?._zod ?? null
}
