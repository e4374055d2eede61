import { hash } from 'node:crypto'
import type { Terms } from './policy.ts'

/**
 * Every key of the rate limits, with a sample. What is limited appears only as a hash. All share one hash tag, so that
 * each script stays in one slot of a Redis Cluster; limiters with different prefixes may lie on different nodes.
 */
export interface LimitKeys {
  /** `{lm}:record` hash: what has been charged in all, and what may have been lost of it. */
  readonly record: string
  /** `{lm}:sign-in` the same for guesses at passwords: a loss of other charges must not matter to them. */
  readonly signInRecord: string
  /** `{lm}:Jx0…` the tokens granted, by time slot (lua/ledger.lua); another policy or window is another ledger. */
  ledger(policy: string, terms: Pick<Terms, 'windowMs'>, key: string): string
  /** `{lm}:r:f3Zk….17` marks a grant whose rest was given back; with a TTL. */
  refund(grantId: string): string
  /** `{lm}:h:Jx0…` sorted set of the guesses that are being tried, by when they are given up; with a TTL. */
  held(hashedKey: string): string
  /** `{lm}:t:Jx0…` when an address first asked for a guess at an account that is slowed down; with a TTL. */
  ticket(hashedKey: string): string
  /** `{lm}:p:Jx0…` when an account was pardoned; with a TTL. */
  pardon(hashedKey: string): string
  /** `limits.lm`: the kind of our announcements. */
  readonly kind: string
}

export function limitKeys(prefix = 'lm'): LimitKeys {
  if (!/^[\w.-]{1,64}$/.test(prefix)) throw new RangeError(`not a usable prefix for keys: ${prefix}`)
  const at = (suffix: string) => `{${prefix}}:${suffix}`
  return {
    record: at('record'),
    signInRecord: at('sign-in'),
    ledger: (policy, { windowMs }, key) => at(shortHash(`${policy}:${windowMs}:${key}`)),
    refund: (grantId) => at(`r:${grantId}`),
    held: (hashedKey) => at(`h:${hashedKey}`),
    ticket: (hashedKey) => at(`t:${hashedKey}`),
    pardon: (hashedKey) => at(`p:${hashedKey}`),
    kind: `limits.${prefix}`,
  }
}

/** 128 bits of SHA-256: enough that no one finds two subjects with one ledger. */
export function hashKey(key: string): string {
  return hash('sha256', key, 'base64url').slice(0, 22)
}

/** 96 bits: names of ledgers are most of what they cost, and two with one name would only share their limit. */
function shortHash(text: string): string {
  return hash('sha256', text, 'base64url').slice(0, 16)
}
