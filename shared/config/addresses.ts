/** The grammars of everything that names a place: hosts, origins, mail addresses, Redis, the database. */
import { isIP } from 'node:net'
import path from 'node:path'
import type { LocatedRedis } from '../kernel/redis/target.ts'
import type { DatabaseTarget } from './config.ts'
import { refuse, type Grammar } from './grammar.ts'

function parseUrl(text: string): URL | null {
  return URL.canParse(text) ? new URL(text) : null
}

export const host: Grammar<string> = {
  accepts: 'an IP address or a host name, without port',
  example: '127.0.0.1',
  parse(text) {
    if (isIP(text)) return text
    if (/^\[.*\]$/.test(text)) return refuse('write an IPv6 address without brackets')
    if (/^[^:]+:\d+$/.test(text)) return refuse('the port has a variable of its own')
    return isHostName(text) ? text : refuse()
  },
}

function isHostName(text: string): boolean {
  if (text.length > 253 || /^[\d.]+$/.test(text)) return false
  return text.split('.').every((label) => /^[a-z\d_]([a-z\d_-]{0,61}[a-z\d_])?$/i.test(label))
}

/** An http(s) origin, as browsers write it: lower case, without default port and without trailing slash. */
export const origin: Grammar<string> = {
  accepts: 'scheme and host of a site (http:// or https://), without path',
  example: 'https://app.example.com',
  parse(text) {
    const url = parseUrl(text)
    if (!url || !/^https?:$/.test(url.protocol))
      return refuse(text.includes('://') ? undefined : 'begin it with https://')
    if (url.username || url.password) return refuse('leave user and password out')
    if (url.pathname !== '/' || /[?#]/.test(text)) return refuse(`leave out everything after ${url.origin}`)
    return /[*]/.test(url.host) ? refuse() : url.origin
  },
}

export const origins: Grammar<readonly string[]> = {
  accepts: `a list, separated by commas, of origins: ${origin.accepts}`,
  example: 'https://app.example.com,https://admin.example.com',
  parse(text) {
    if (/^[*]$|^null$/.test(text.trim())) {
      return refuse('every site could then act for signed-in users; list the sites that may')
    }
    const parsed = text.split(',').map((one) => origin.parse(one.trim()))
    const good = parsed.filter((one) => typeof one === 'string')
    return good.length === parsed.length
      ? [...new Set(good)]
      : (parsed.find((one) => typeof one !== 'string') ?? [])
  },
}

export const mailAddress: Grammar<string> = {
  accepts: 'an e-mail address',
  example: 'ada@example.com',
  parse: (text) => (isMailAddress(text) ? text : refuse()),
}

export const mailSender: Grammar<string> = {
  accepts: 'an e-mail address, or a name followed by one in angle brackets',
  example: 'Lockstep <no-reply@example.com>',
  parse(text) {
    const [, , bracketed] = /^([^<>\p{Cc}]*)<([^<>]*)>$/u.exec(text) ?? []
    return isMailAddress(bracketed ?? text) ? text : refuse()
  },
}

function isMailAddress(text: string): boolean {
  const [, domain] = /^[^\s@<>"(),:;\\[\]\p{Cc}]{1,64}@(.+)$/u.exec(text) ?? []
  return domain !== undefined && (isHostName(domain) || /^[\p{L}\d.-]+$/u.test(domain)) && text.length <= 254
}

export const mailServer: Grammar<string> = {
  accepts: 'smtp:// or smtps:// with host, and user, password and port where needed',
  example: 'smtps://user:password@mail.example.com',
  parse(text) {
    const url = parseUrl(text)
    return url && /^smtps?:$/.test(url.protocol) && url.hostname ? text : refuse()
  },
}

export const redisAddress: Grammar<LocatedRedis> = {
  accepts:
    'redis://host:port/db, rediss:// (TLS), unix:///path/to/socket, ' +
    'redis+sentinel://host:port,host:port/name/db?sentinelPassword=… or redis+cluster://host:port,host:port (rediss+… for TLS)',
  example: 'redis://127.0.0.1:6379',
  parse(text) {
    const [, scheme = ''] = /^([a-z+]+):\/\//.exec(text) ?? []
    if (/^rediss?$/.test(scheme))
      return isSingleServer(text) ? { kind: 'single', url: text } : refuse(escapeHint(text))
    if (scheme === 'unix')
      return isSocket(text) ? { kind: 'single', url: text } : refuse('a socket has three slashes')
    if (/^rediss?\+sentinel$/.test(scheme)) {
      if (!isListOfHosts(text, /^[^/?#\s]+(\/\d+)?(\?[^#\s]*)?$/))
        return refuse('the name of the master follows the hosts')
      if (!hasSentinelCredentials(text)) return refuse(sentinelHint)
      return { kind: 'sentinel', url: text }
    }
    if (/^rediss?\+cluster$/.test(scheme)) {
      return isListOfHosts(text, /^$/)
        ? { kind: 'cluster', url: text }
        : refuse('a cluster has no database number')
    }
    return refuse(scheme === '' ? 'begin it with redis://' : undefined)
  },
}

const sentinelHint =
  'after the ? only sentinelPassword=… and sentinelUser=… follow, joined by &, special characters in percent form'

/** Sentinels have passwords of their own, apart from that of the servers, which stands before the hosts. */
function hasSentinelCredentials(text: string): boolean {
  const [address = '', query, ...more] = text.split('?')
  if (query === undefined) return true
  const names = query.split('&').map((pair) => /^(sentinelUser|sentinelPassword)=.+$/.exec(pair)?.[1])
  const escaped = !/%(?![\da-f]{2})/i.test(query)
  return (
    more.length === 0 &&
    escaped &&
    names.every(Boolean) &&
    names.includes('sentinelPassword') &&
    address !== ''
  )
}

function isSingleServer(text: string): boolean {
  const url = parseUrl(text)
  return (
    url !== null &&
    isHost(url.hostname) &&
    /^(\/\d*)?$/.test(url.pathname) &&
    url.hash === '' &&
    isDecodable(url)
  )
}

function isSocket(text: string): boolean {
  const url = parseUrl(text)
  return url !== null && url.host === '' && url.pathname.length > 1 && isDecodable(url)
}

/** Whether the percent signs in it are escapes: the clients decode user, password and path. */
function isDecodable(url: URL): boolean {
  return [url.username, url.password, url.pathname].every((part) => !/%(?![\da-f]{2})/i.test(part))
}

function escapeHint(text: string): string | undefined {
  return text.split('@').length > 2 || /%(?![\da-f]{2})|[#?]/i.test(text)
    ? 'write special characters of a password in percent form: @ as %40, / as %2F, # as %23, % as %25'
    : undefined
}

function isListOfHosts(text: string, rest: RegExp): boolean {
  const [, userInfo, hosts = '', tail = ''] = /^[a-z+]+:\/\/(?:([^@/]*)@)?([^/?#]+)\/?(.*)$/.exec(text) ?? []
  if (userInfo !== undefined && /%(?![\da-f]{2})/i.test(userInfo)) return false
  return rest.test(tail) && hosts.split(',').every(isHostAndPort)
}

function isHostAndPort(text: string): boolean {
  const [, name, port = '1'] = /^(\[[^\]]+\]|[^:]+)(?::(\d{1,5}))?$/.exec(text) ?? []
  return name !== undefined && isHost(name) && Number(port) >= 1 && Number(port) <= 65_535
}

function isHost(text: string): boolean {
  const [, bracketed] = /^\[(.*)\]$/.exec(text) ?? []
  return bracketed === undefined ? isIP(text) === 4 || isHostName(text) : isIP(bracketed) === 6
}

/** Paths are resolved from `cwd`. */
export function databaseAddress(cwd: string): Grammar<DatabaseTarget> {
  return {
    accepts: 'postgres://user:password@host:port/database, or sqlite: with the path of a file',
    example: 'postgres://lockstep@127.0.0.1:5432/lockstep',
    parse(text) {
      if (/^postgres(ql)?:\/\//.test(text)) {
        const url = parseUrl(text)
        const named = url && (url.host || url.pathname.length > 1 || url.searchParams.has('host'))
        return named && isDecodable(url) ? { kind: 'postgres', url: text } : refuse(escapeHint(text))
      }
      if (text.startsWith('sqlite:')) return sqliteFile(text.slice('sqlite:'.length), cwd)
      return refuse(/^mysql|^mariadb|^mongodb/.test(text) ? 'only Postgres and SQLite are known' : undefined)
    },
  }
}

function sqliteFile(text: string, cwd: string) {
  if (text === ':memory:') return refuse('every process would have accounts of its own; name a file')
  if (/^\/\/[^/]/.test(text))
    return refuse('an absolute path has one slash or three: sqlite:/path or sqlite:///path')
  const file = text.replace(/^\/\/\//, '/')
  return file === '' || file.includes('\0')
    ? refuse()
    : ({ kind: 'sqlite', file: path.resolve(cwd, file) } as const)
}
