/**
 * An identity provider as the login can rely on it, whoever wrote it: each call answers within a bound, what it
 * answers is a user of the id that was asked for, and whatever else happens is an outage. An exception of an
 * application's own user table must not be told to a stranger, and must not look like a wrong password.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { Unavailable } from '../kernel/errors.ts'
import type { Subject } from '../sessions/index.ts'
import type { IdentityProvider } from './identity-provider.ts'
import { isRoleName } from './roles.ts'

export interface CheckedIdentity {
  identify(name: string): Promise<string | null>
  verify(id: string | null, secret: string, refuse?: (reason: string) => void): Promise<Subject | null>
}

/** An id becomes a part of keys, of a header and of log lines. */
const userId = z.string().regex(/^[\x21-\x7e]{1,128}$/, 'must have 1 to 128 printable ASCII characters')

const verifiedUser = z.object({
  id: userId,
  roles: z.array(z.string().refine(isRoleName, 'is not the name of a role')),
  version: z.int().min(0).default(0),
  profile: z.record(z.string(), z.json()).default({}),
})

export interface CheckOptions {
  readonly timeoutMs?: number
  /** What the profile of each user must be; left out: anything that is JSON. */
  readonly profile?: z.ZodObject
}

export function checkIdentity(
  provider: IdentityProvider,
  { timeoutMs = 10_000, profile }: CheckOptions = {},
): CheckedIdentity {
  const verified = profile ? verifiedUser.extend({ profile }) : verifiedUser

  async function ask<T>(call: string, answer: () => T | Promise<T>, schema: z.ZodType<T | null>) {
    const patience = new AbortController()
    const gaveUp = pause(timeoutMs, undefined, { signal: patience.signal }).then(() => {
      throw new Error(`${call} has not answered within ${timeoutMs} ms`)
    })
    gaveUp.catch(() => {})
    try {
      const { data, error } = schema.safeParse((await Promise.race([answer(), gaveUp])) ?? null)
      if (error) throw new TypeError(`${call} answered what it must not: ${z.prettifyError(error)}`)
      return data as T | null
    } catch (cause) {
      throw isRefusal(cause) ? cause : new Unavailable('accounts', { cause })
    } finally {
      patience.abort()
    }
  }

  return {
    identify: (name) => ask('identify', async () => provider.identify(name), userId.nullable()),

    async verify(id, secret, refuse) {
      const answer = async () => (await provider.verify(id, secret, refuse)) as Subject | null
      const user = await ask<Subject | null>(
        'verify',
        answer,
        verified.nullable() as unknown as z.ZodType<Subject | null>,
      )
      // The ticket was taken for `id`: a session of anybody else would escape the revocations in between.
      if (user !== null && user.id !== id) {
        const cause = new TypeError('verify answered another user than the one it was asked about')
        throw new Unavailable('accounts', { cause })
      }
      return user
    },
  }
}

/** What was thrown in order to be told: that a part is away, or has too much to do. */
function isRefusal(cause: unknown): boolean {
  if (cause instanceof Unavailable) return true
  const { status, expose } = (cause ?? {}) as { status?: unknown; expose?: unknown }
  return status === 503 && expose === true
}
