import type { Json } from './openapi.ts'

/** How deep objects are written out in a type; below that they are `object`. */
const deepest = 3

/**
 * What a JSON schema admits, in a line: `string`, `"a" | "b"`, `#User[]`, `{ id: string, name?: string }`. A named schema is
 * written with a `#` before it.
 */
export function typeOf(schema: Json, depth = 0): string {
  const {
    $ref,
    enum: choices,
    const: only,
    anyOf,
    oneOf,
    type,
    items,
    properties,
  } = schema as {
    readonly $ref?: string
    readonly enum?: readonly unknown[]
    readonly const?: unknown
    readonly anyOf?: readonly Json[]
    readonly oneOf?: readonly Json[]
    readonly type?: string | readonly string[]
    readonly items?: Json
    readonly properties?: Readonly<Record<string, Json>>
  }
  if ($ref !== undefined) return `#${$ref.slice($ref.lastIndexOf('/') + 1)}`
  if (choices) return choices.map((choice) => JSON.stringify(choice)).join(' | ')
  if (only !== undefined) return JSON.stringify(only)
  const several = anyOf ?? oneOf
  if (several) return [...new Set(several.map((each) => typeOf(each, depth)))].join(' | ')
  if (type === 'array') {
    const item = items === undefined ? 'any' : typeOf(items, depth + 1)
    return item.includes(' | ') ? `(${item})[]` : `${item}[]`
  }
  if (type === 'object' && properties !== undefined && depth < deepest)
    return objectOf(schema, properties, depth)
  if (typeof type === 'string') return type
  return type === undefined ? 'any' : type.join(' | ')
}

function objectOf(schema: Json, properties: Readonly<Record<string, Json>>, depth: number): string {
  const required = (schema['required'] ?? []) as readonly string[]
  const fields = Object.entries(properties).map(
    ([name, property]) => `${name}${required.includes(name) ? '' : '?'}: ${typeOf(property, depth + 1)}`,
  )
  return fields.length === 0 ? '{}' : `{ ${fields.join(', ')} }`
}
