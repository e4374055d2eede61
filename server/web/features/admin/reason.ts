import type { AppContext } from '../../../../shared/app/context.ts'
import type { FieldError, Problem } from '../../../../shared/app/problem.ts'

/** What is wrong with each field; undefined where the problem is another one, and said as usual. */
export function reasonOf(_ctx: AppContext, { type, members }: Problem): string | undefined {
  const errors = (members['errors'] ?? []) as readonly FieldError[]
  if (type !== 'invalid-fields' || errors.length === 0) return undefined
  return errors.map(({ field, message }) => `${field}: ${message}.`).join(' ')
}
