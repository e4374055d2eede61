/**
 * Every key of the sessions, with a sample. All share one hash tag, so that each script stays in one slot of a
 * Redis Cluster: the domain in braces is the unit in which invalidations are ordered and acknowledged.
 */
export interface SessionKeys {
  /** `{sx}:c` hash: inc, epoch, seq, settled, and `w:<member>` = `applied:lease:order` for each member. */
  readonly domain: string
  /** `{sx}:s:` + SHA-256 of the token: hash of one session, with a TTL. */
  readonly sessionPrefix: string
  /** `{sx}:u:` + user id: hash gen, disabled, version, roles, profile. */
  readonly userPrefix: string
  /** `{sx}:i:` + user id: sorted set of `<session id>:<SHA-256 of the token>` by expiry. */
  readonly indexPrefix: string
  /** `{sx}:inv` pub/sub channel of the invalidations. */
  readonly channel: string
  session(hash: string): string
  user(id: string): string
  index(userId: string): string
}

/** The keys of one coherence domain. Applications that share a Redis must use different names. */
export function sessionKeys(domain = 'sx'): SessionKeys {
  if (!/^[\w.-]{1,64}$/.test(domain)) throw new TypeError(`not a usable name for session keys: ${domain}`)
  const at = (suffix: string) => `{${domain}}:${suffix}`
  return {
    domain: at('c'),
    sessionPrefix: at('s:'),
    userPrefix: at('u:'),
    indexPrefix: at('i:'),
    channel: at('inv'),
    session: (hash) => at(`s:${hash}`),
    user: (id) => at(`u:${id}`),
    index: (userId) => at(`i:${userId}`),
  }
}
