import type { CoherenceKeys } from '../coherence/index.ts'

/** Every key of the sessions, with a sample. They lie in the coherence domain, whose scripts order what ends them. */
export interface SessionKeys {
  /** `{sx}:s:` + SHA-256 of the token: hash of one session, with a TTL. */
  readonly sessionPrefix: string
  /** `{sx}:u:` + user id: hash gen, request, disabled, lineage, version, roles, profile. */
  readonly userPrefix: string
  /** `{sx}:i:` + user id: sorted set of `<session id>:<SHA-256 of the token>` by expiry. */
  readonly indexPrefix: string
  /** `{sx}:t`: what tokens are sealed with. */
  readonly tokenKey: string
  session(hash: string): string
  /** `{sx}:g:` + SHA-256 of the id: hash of a session in an application's own store that no one signed in to. */
  guest(hash: string): string
  user(id: string): string
  index(userId: string): string
  /** `{sx}:e:` + user id + `:` + session id: it was ended by its id, and whoever asked for that was not answered yet. */
  ended(userId: string, sessionId: string): string
}

/** The keys of the sessions of one coherence domain. */
export function sessionKeys({ at }: Pick<CoherenceKeys, 'at'>): SessionKeys {
  return {
    sessionPrefix: at('s:'),
    userPrefix: at('u:'),
    indexPrefix: at('i:'),
    tokenKey: at('t'),
    session: (hash) => at(`s:${hash}`),
    guest: (hash) => at(`g:${hash}`),
    user: (id) => at(`u:${id}`),
    index: (userId) => at(`i:${userId}`),
    ended: (userId, sessionId) => at(`e:${userId}:${sessionId}`),
  }
}
