/**
 * JSON for requests: what `JSON.parse` takes, less what two readers could understand differently. A key written
 * twice means its first value to some parsers (a proxy's filter, say) and its last to others; `__proto__` is a
 * trap for any code that copies objects; and no honest body is nested a hundred deep.
 */

/** The text is not JSON that we take; the message says why and where, without quoting the text. */
export class JsonFault extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'JsonFault'
  }
}

const maxDepth = 32

export function parseStrictJson(text: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new JsonFault(`the body is not valid JSON${positionIn(cause)}`)
  }
  checkStructure(text)
  return value
}

/** Walks a text that is known to be JSON: only strings and brackets matter. */
function checkStructure(text: string): void {
  // One entry for each open bracket: the keys of an object so far, or null for an array.
  const open: (Set<string> | null)[] = []
  let atKey = false
  for (let index = 0; index < text.length; index++) {
    switch (text[index]) {
      case '"': {
        const end = endOfString(text, index)
        if (atKey) addKey(open.at(-1) ?? null, JSON.parse(text.slice(index, end + 1)) as string)
        atKey = false
        index = end
        break
      }
      case '{':
      case '[': {
        if (open.length === maxDepth)
          throw new JsonFault(`the body is nested more than ${maxDepth} levels deep`)
        atKey = text[index] === '{'
        open.push(atKey ? new Set() : null)
        break
      }
      case '}':
      case ']':
        open.pop()
        atKey = false
        break
      case ',':
        atKey = open.at(-1) instanceof Set
        break
    }
  }
}

function endOfString(text: string, start: number): number {
  let end = start + 1
  while (text[end] !== '"') end += text[end] === '\\' ? 2 : 1
  return end
}

function addKey(keys: Set<string> | null, key: string): void {
  if (key === '__proto__') throw new JsonFault('the field name __proto__ is not accepted')
  if (keys?.has(key)) throw new JsonFault(`the field ${JSON.stringify(key.slice(0, 64))} is there twice`)
  keys?.add(key)
}

/** V8's message quotes the text, which may hold a password; only its position is passed on. */
function positionIn(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : ''
  if (message.includes('Unexpected end')) return ': it ends too early'
  const position = /at position (\d+)/.exec(message)
  return position ? ` (at character ${position[1]})` : ''
}
