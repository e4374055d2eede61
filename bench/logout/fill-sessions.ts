import type { Redis } from 'ioredis'
import { coherenceKeys } from '../../shared/coherence/index.ts'
import { keysOfServer } from '../../test/support/deployment-keys.ts'
import { createSessionScripts } from '../../shared/sessions/scripts.ts'
import { seal } from '../../shared/sessions/token-seals.ts'
import { hashToken, newSessionId, newToken } from '../../shared/sessions/token.ts'

const dayMs = 86_400_000
const usersAtOnce = 50
const device = {
  label: 'Laptop',
  userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  ip: '203.0.113.7',
}

/**
 * Creates sessions by the script that a login runs, so that keys, fields and indexes are those of production. Gives
 * one token of each user.
 *
 * @param name what the users' ids begin with
 */
export async function fillSessions(
  redis: Redis,
  name: string,
  { users, sessionsEach }: { users: number; sessionsEach: number },
): Promise<string[]> {
  const scripts = createSessionScripts(redis, {
    keys: coherenceKeys((await keysOfServer(redis)).sessions),
    durability: 'fence',
    idleMs: dayMs,
    touchEveryMs: 60_000,
    longestMs: dayMs,
    maxPerUser: sessionsEach,
  })

  const proposed = newToken()
  const key = (await scripts.tokenKey(proposed)).key ?? proposed

  async function signIn(number: number): Promise<string> {
    const id = `${name}-${number}`
    const profile = { email: `${id}@example.com`, name: `User ${number}`, tier: 'free', emailVerified: true }
    const subject = { id, roles: ['user'], version: 1, profile }
    const ticket = await scripts.prepare(id)
    const own = Array.from({ length: sessionsEach }, () => seal(newToken(), key))
    await Promise.all(
      own.map(async (token) => {
        const hash = hashToken(token)
        const created = await scripts.create({
          hash,
          sessionId: newSessionId(),
          ticket,
          subject,
          device,
          remember: false,
          absoluteMs: dayMs,
          endOthers: false,
        })
        if (created.outcome !== 'created') throw new Error(`a session was not created: ${created.outcome}`)
      }),
    )
    return own[0]!
  }

  const tokens: string[] = []
  for (let user = 0; user < users; user += usersAtOnce) {
    const batch = Array.from({ length: Math.min(usersAtOnce, users - user) }, (_, place) => user + place)
    tokens.push(...(await Promise.all(batch.map(signIn))))
  }
  return tokens
}
