/** Who asks Redis which run of it this is: each script, or each new connection where scripts may not call INFO. */
export const redisIdentities = ['script', 'connection'] as const
export type RedisIdentity = (typeof redisIdentities)[number]

/** Where Redis is. `embedded` is resolved to a `unix` URL by the primary before any worker starts. */
export type RedisTarget =
  | { readonly kind: 'embedded' }
  | { readonly kind: 'single'; readonly url: string; readonly identity?: 'connection' }
  | { readonly kind: 'sentinel'; readonly url: string; readonly identity?: 'connection' }
  | { readonly kind: 'cluster'; readonly url: string }

/** A Redis that is there already. */
export type LocatedRedis = Exclude<RedisTarget, { kind: 'embedded' }>
