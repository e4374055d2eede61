/**
 * The keys of one coherence domain, with a sample. The name in braces is a hash tag: everything of the domain, and of
 * each part whose scripts announce in it, lies in one slot of a Redis Cluster.
 */
export interface CoherenceKeys {
  /**
   * `{sx}:c` hash: inc, epoch, seq, settled, sealed, agreement; in mode failover also replid, nodes and writes (see lua/failover.lua).
   * Beside it `{sx}:c:m`, hash: member = `applied:lease:order`.
   */
  readonly domain: string
  readonly members: string
  /** `{sx}:inv` pub/sub channel of the messages. */
  readonly channel: string
  /** A key of another part in the same slot: `at('s:x')` is `{sx}:s:x`. */
  at(suffix: string): string
}

/** The domain of a server that has a database of Redis to itself. */
export const defaultDomain = 'sx'

/** Applications that share a Redis must use different names. */
export function coherenceKeys(domain: string = defaultDomain): CoherenceKeys {
  if (!/^[\w.-]{1,64}$/.test(domain)) throw new TypeError(`not a usable name for a domain: ${domain}`)
  const at = (suffix: string) => `{${domain}}:${suffix}`
  return { domain: at('c'), members: at('c:m'), channel: at('inv'), at }
}
