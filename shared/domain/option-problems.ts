/** What is wrong with the options of a part, in words: what all parts say alike. */
import { messageOf } from '../kernel/errors.ts'
import { redisIdentities } from '../kernel/redis/target.ts'

export function unknownOptions(options: object, known: readonly string[]): string[] {
  return Object.keys(options)
    .filter((name) => !known.includes(name))
    .map((name) => `there is no option ${name}`)
}

/** Of what says whose keys these are, and how Redis is told apart. */
export function nameProblems({
  name,
  app,
  redisIdentity,
}: {
  readonly name?: unknown
  readonly app?: unknown
  readonly redisIdentity?: unknown
}): string[] {
  const problems: string[] = []
  if (typeof name !== 'string' || name.trim() === '') {
    problems.push("name is missing: what this application's keys in Redis are named after, such as 'shop'")
  }
  if (app !== undefined && app !== null && (typeof app !== 'string' || app === '')) {
    problems.push('app is the name of the application, or null')
  }
  if (redisIdentity !== undefined && !(redisIdentities as readonly unknown[]).includes(redisIdentity)) {
    problems.push(`redisIdentity is ${JSON.stringify(redisIdentity)}: it is script or connection`)
  }
  return problems
}

/** What the check throws. */
export function saidBy(check: () => unknown): string[] {
  try {
    check()
    return []
  } catch (cause) {
    return [messageOf(cause)]
  }
}
