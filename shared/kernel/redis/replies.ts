/** What scripts answer, checked once on entry: a reply of the wrong shape is a fault of ours or another's writing. */

export class UnexpectedReply extends Error {
  constructor(script: string, cause?: unknown) {
    super(`Redis answered the script ${script} in a form that can't be understood`, { cause })
    this.name = 'UnexpectedReply'
  }
}

export function asList(reply: unknown, script: string): unknown[] {
  if (!Array.isArray(reply)) throw new UnexpectedReply(script)
  return reply
}

export function asText(value: unknown, script: string): string {
  if (typeof value !== 'string') throw new UnexpectedReply(script)
  return value
}

export function asCount(value: unknown, script: string): number {
  const number = Number(value)
  if (!Number.isSafeInteger(number)) throw new UnexpectedReply(script)
  return number
}
