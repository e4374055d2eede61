import { emailKey } from '../../../../shared/accounts/email-key.ts'
import { Unavailable } from '../../../../shared/kernel/errors.ts'
import type { LoginAttempt, LoginGuard } from '../../../../shared/limits/login-guard.ts'
import type { AppContext } from '../../../../shared/app/context.ts'
import { Problem, problem } from '../../../../shared/app/problem.ts'

/** A guess that may be tried: to be counted when it was wrong, else to be taken back. */
export type ReservedGuess = Pick<Extract<LoginAttempt, { allowed: true }>, 'count' | 'refund'>

/**
 * Takes a place for a guess at the account before its password is hashed. Refuses with 429 beyond the limits, 503 when
 * they can't be known.
 */
export async function reserveGuess(
  guard: Pick<LoginGuard, 'attempt'>,
  ctx: AppContext,
  email: string,
): Promise<ReservedGuess> {
  const attempt = await guard.attempt({ ip: ctx.state.clientIp ?? 'unknown', account: emailKey(email) })
  if (!attempt.allowed) throw refusal(attempt)
  return attempt
}

/** Tries the guess and decides it. A wrong one counts before anybody learns that it was wrong. */
export async function isRight(guess: ReservedGuess, verify: () => Promise<boolean>): Promise<boolean> {
  let right: boolean
  try {
    right = await verify()
  } catch (fault) {
    await guess.refund()
    throw fault
  }
  await (right ? guess.refund() : guess.count())
  return right
}

/** Was it refused because it was wrong? */
export function isWrongGuess(fault: unknown): boolean {
  return fault instanceof Problem && fault.type === 'invalid-credentials'
}

function refusal({ reason, retryAfterMs, violated }: Extract<LoginAttempt, { allowed: false }>): Error {
  const retryAfterSeconds = Math.max(1, Math.ceil(retryAfterMs / 1_000))
  if (reason === 'quarantine') {
    const cause = new Error('what was counted of wrong passwords is lost and has to be waited out')
    return new Unavailable('redis', { cause, retryAfterSeconds })
  }
  const why = reason === 'busy' ? 'other attempts are being checked' : 'too many attempts'
  return problem('quota-exceeded', `${why}: please try again in ${retryAfterSeconds} s`, {
    headers: { 'Retry-After': String(retryAfterSeconds) },
    members: { 'violated-policies': violated },
  })
}
