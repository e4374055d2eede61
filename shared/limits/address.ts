import { isIP, isIPv6 } from 'node:net'

/** What whoever is not signed in is limited as: `ip:` and the address as it is charged. */
export function addressSubject(ip: string): string {
  return `ip:${addressKey(ip)}`
}

/** A subject as people type it (`ip:2001:DB8::7`, `[2001:db8::7]`, `2001:db8::/64`), as it is charged. */
export function normalizeSubject(typed: string): string {
  const text = typed.trim()
  const address = text.replace(/^ip:/i, '').replace(/^\[(.*)\]$/, '$1')
  const [ip = '', bits] = address.split('/')
  const isAddress = isIP(ip) !== 0 && (bits === undefined || bits === '64')
  if (isAddress) return addressSubject(ip)
  return /^ip:/i.test(text) ? `ip:${address}` : text
}

/**
 * What an address is limited as. An IPv6 address stands for its network of /64 (or another prefix): anyone who has one
 * has 2^64 of them. An IPv4 address, also when written as IPv6, stands for itself. Anything else is returned as it is.
 */
export function addressKey(ip: string, prefixBits = 64): string {
  if (!isIPv6(ip)) return ip
  const groups = expand(ip)
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
  if (mapped) {
    return groups
      .slice(6)
      .flatMap((group) => [group >> 8, group & 0xff])
      .join('.')
  }
  const network = groups.map((group, i) => group & mask(prefixBits - 16 * i))
  return `${network.map((group) => group.toString(16)).join(':')}/${prefixBits}`
}

/** The eight groups of an IPv6 address in any of its spellings. */
function expand(ip: string): number[] {
  const [address = ''] = ip.split('%')
  const [head = '', tail] = address.split('::')
  const left = parseGroups(head)
  if (tail === undefined) return left
  const right = parseGroups(tail)
  return [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right]
}

function parseGroups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
    return [(a << 8) | b, (c << 8) | d]
  })
}

/** The mask of one group of which the first `bits` belong to the network. */
function mask(bits: number): number {
  if (bits >= 16) return 0xffff
  if (bits <= 0) return 0
  return (0xffff << (16 - bits)) & 0xffff
}
