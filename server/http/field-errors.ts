import type { z } from 'zod'
import type { FieldError } from '../../shared/app/problem.ts'

const most = 20

/** What is wrong with an input, field by field, in words for the person who wrote the request. */
export function fieldErrors(error: z.ZodError): FieldError[] {
  return error.issues.flatMap(describe).slice(0, most)
}

function describe(issue: z.core.$ZodIssue): FieldError[] {
  const field = issue.path.length > 0 ? issue.path.map(nameOf).join('.') : 'body'
  if (issue.code === 'unrecognized_keys') {
    const prefix = issue.path.length > 0 ? `${field}.` : ''
    return issue.keys.slice(0, most).map((key) => ({
      field: prefix + nameOf(key),
      message: 'is not a field of this request',
    }))
  }
  if (issue.code === 'invalid_type' && issue.input === undefined) return [{ field, message: 'is required' }]
  return [{ field, message: messageOf(issue) }]
}

function messageOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${article(issue.expected)}`
    case 'invalid_value':
      return `must be one of: ${issue.values.map(String).join(', ')}`
    case 'too_small':
      return `must be at least ${String(issue.minimum)}${unit(issue.origin)}`
    case 'too_big':
      return `must be at most ${String(issue.maximum)}${unit(issue.origin)}`
    case 'invalid_key':
      return issue.issues[0]?.message ?? 'is not an acceptable name'
    case 'invalid_union':
      return 'has none of the accepted forms'
    default:
      // Our own wording, given where the schema was written.
      return issue.message
  }
}

function article(type: string): string {
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`
}

function unit(origin: string): string {
  if (origin === 'string') return ' characters long'
  return origin === 'array' ? ' entries long' : ''
}

/** A field's name comes from the client: as much of it as helps. */
function nameOf(key: PropertyKey): string {
  return String(key).slice(0, 64)
}
