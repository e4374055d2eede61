/**
 * What a trip through JSON makes of a value, without the trip, for the values that most payloads are made of: texts,
 * finite numbers, booleans, null, and plain objects and lists of them.
 */

/** Nothing of the kind, or too large to be sure: then JSON itself has to tell. */
export const notPlain = Symbol('not plain')

/** A character takes up to six bytes when it is written as `\u0000`. */
const mostBytesOfCharacter = 6
const mostBytesOfValue = 26
const deepest = 8

/** @param mostBytes what the value may take as JSON, however it is written */
export function plainCopy(value: unknown, mostBytes: number): unknown {
  let left = mostBytes

  function copy(from: unknown, depth: number): unknown {
    left -= mostBytesOfValue
    if (left < 0) return notPlain
    switch (typeof from) {
      case 'string':
        left -= from.length * mostBytesOfCharacter
        return left < 0 ? notPlain : from
      case 'number':
        return Number.isFinite(from) && !Object.is(from, -0) ? from : notPlain
      case 'boolean':
        return from
      case 'object':
        if (from === null) return null
        if (depth === deepest || 'toJSON' in from) return notPlain
        return Array.isArray(from) ? copyList(from, depth) : copyObject(from, depth)
      default:
        return notPlain
    }
  }

  function copyList(from: readonly unknown[], depth: number): unknown {
    const list: unknown[] = []
    for (const item of from) {
      const copied = copy(item, depth + 1)
      if (copied === notPlain) return notPlain
      list.push(copied)
    }
    return list
  }

  function copyObject(from: object, depth: number): unknown {
    if (Object.getPrototypeOf(from) !== Object.prototype) return notPlain
    const object: Record<string, unknown> = {}
    for (const name of Object.keys(from)) {
      const item = (from as Record<string, unknown>)[name]
      if (item === undefined) continue
      left -= name.length * mostBytesOfCharacter
      const copied = name === '__proto__' ? notPlain : copy(item, depth + 1)
      if (copied === notPlain) return notPlain
      object[name] = copied
    }
    return object
  }

  return copy(value, 0)
}
