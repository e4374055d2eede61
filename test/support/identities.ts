import type { Identity } from '../../shared/sessions/sessions.ts'
import { newSessionId } from '../../shared/sessions/token.ts'

/** An identity as the authority would describe it, for tests that need no Redis. */
export function identityOf(userId: string): Identity {
  return {
    user: { id: userId, roles: ['user'], version: 1, profile: { email: `${userId}@example.com` } },
    session: {
      id: newSessionId(),
      label: null,
      userAgent: null,
      ip: null,
      remember: false,
      createdAt: 0,
      lastSeenAt: 0,
      absoluteExpiresAt: 3_600_000,
    },
  }
}
