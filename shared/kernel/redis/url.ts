/** What a REDIS_URL stands for, in the terms of ioredis. */
import type { RedisOptions } from 'ioredis'

export interface HostAndPort {
  readonly host: string
  readonly port: number
}

/** The connection options that a single-server or Sentinel URL stands for. */
export function parseRedisUrl(target: { kind: 'single' | 'sentinel'; url: string }): RedisOptions {
  if (target.kind === 'sentinel') return parseSentinelUrl(target.url)
  const url = new URL(target.url)
  if (url.protocol === 'unix:') {
    return {
      path: decodeURIComponent(url.pathname),
      ...credentials(url),
      db: Number(url.searchParams.get('db') ?? 0),
    }
  }
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || 6379),
    db: Number(url.pathname.slice(1) || 0),
    ...credentials(url),
    ...(url.protocol === 'rediss:' ? { tls: {} } : {}),
  }
}

function parseSentinelUrl(text: string): RedisOptions {
  const { hosts, path, scheme, auth } = splitHosts(text, 26_379)
  const { pathname, searchParams } = new URL(path, 'redis://host/')
  const [, name = '', db] = pathname.split('/')
  const [username, password] = [searchParams.get('sentinelUser'), searchParams.get('sentinelPassword')]
  return {
    sentinels: [...hosts],
    name: decodeURIComponent(name) || 'mymaster',
    db: Number(db || 0),
    ...auth,
    ...(username === null ? {} : { sentinelUsername: username }),
    ...(password === null ? {} : { sentinelPassword: password }),
    // What they say is what we connect to: whoever can write the one connection can lead away the other.
    ...(scheme.startsWith('rediss') ? { tls: {}, enableTLSForSentinelMode: true, sentinelTLS: {} } : {}),
  }
}

/** The nodes that a Cluster URL names, and how to connect to each of them. */
export function parseClusterUrl(text: string): {
  readonly nodes: readonly HostAndPort[]
  readonly options: Pick<RedisOptions, 'username' | 'password' | 'tls'>
} {
  const { hosts, scheme, auth } = splitHosts(text, 6_379)
  return { nodes: hosts, options: { ...auth, ...(scheme.startsWith('rediss') ? { tls: {} } : {}) } }
}

/** How to connect to any node of what this URL stands for, besides its address. */
export function parseNodeOptions(target: {
  kind: 'single' | 'sentinel' | 'cluster'
  url: string
}): Pick<RedisOptions, 'username' | 'password' | 'tls'> {
  if (target.kind !== 'single') return parseClusterUrl(target.url).options
  const { username, password, tls } = parseRedisUrl({ kind: 'single', url: target.url })
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls }),
  }
}

/** Takes `scheme://user:password@host1:port1,host2:port2/path` apart; `URL` refuses a list of hosts. */
function splitHosts(text: string, defaultPort: number) {
  const match = /^([a-z+]+):\/\/(?:([^@/]*)@)?([^/?]+)\/?(.*)$/.exec(text)
  if (!match) throw new TypeError('not a Redis address with a list of hosts')
  const [, scheme = '', userinfo = '', list = '', path = ''] = match
  const hosts = list.split(',').map((entry): HostAndPort => {
    const parts = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(entry)
    return {
      host: (parts?.[1] ?? entry).replace(/^\[|\]$/g, ''),
      port: Number(parts?.[2] ?? defaultPort),
    }
  })
  return { scheme, hosts, path, auth: userinfo ? credentials(new URL(`redis://${userinfo}@host`)) : {} }
}

function credentials(url: URL): Pick<RedisOptions, 'username' | 'password'> {
  return {
    ...(url.username ? { username: decodeURIComponent(url.username) } : {}),
    ...(url.password ? { password: decodeURIComponent(url.password) } : {}),
  }
}
