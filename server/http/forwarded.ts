/**
 * What a request says about where it comes from, and how much of that is believed. Each proxy that we trust
 * appends one entry to X-Forwarded-For, so the entry that the outermost of `hops` proxies wrote is the one `hops`
 * from the right; whatever stands to the left of it was sent by the client and proves nothing. With no trusted
 * proxy these headers are not read at all.
 */
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import type { TLSSocket } from 'node:tls'

/** The address of the client, or null when its connection is gone already. */
export function clientAddress(req: IncomingMessage, hops: number): string | null {
  const direct = req.socket.remoteAddress
  if (hops > 0) {
    const entries = listOf(req.headers['x-forwarded-for'])
    const forwarded = parseAddress(entries[entries.length - hops] ?? '')
    if (forwarded !== null) return forwarded
  }
  return direct === undefined ? null : plain(direct)
}

/** Did the request reach us, or the outermost trusted proxy, over TLS? */
export function isSecure(req: IncomingMessage, hops: number): boolean {
  if ((req.socket as Partial<TLSSocket>).encrypted === true) return true
  return hops > 0 && outermost(req.headers['x-forwarded-proto'], hops)?.toLowerCase() === 'https'
}

/** Scheme, host and port by which the client addressed us, or null when it sent nothing usable. */
export function requestOrigin(req: IncomingMessage, hops: number): string | null {
  const forwarded = hops > 0 ? outermost(req.headers['x-forwarded-host'], hops) : undefined
  const host = forwarded ?? req.headers.host ?? ''
  if (!/^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/.test(host)) return null
  try {
    return new URL(`${isSecure(req, hops) ? 'https' : 'http'}://${host}`).origin
  } catch {
    return null
  }
}

/** `203.0.113.7`, `203.0.113.7:4711`, `2001:db8::1`, `[2001:db8::1]:4711`, `fe80::1%eth0`; null for anything else. */
function parseAddress(entry: string): string | null {
  const bracketed = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(entry)
  const withPort = /^([\d.]+):\d{1,5}$/.exec(entry)
  const address = (bracketed?.[1] ?? withPort?.[1] ?? entry).replace(/%[\w.-]+$/, '')
  return isIP(address) === 0 ? null : plain(address)
}

/** IPv4 addresses that arrive on an IPv6 socket, as IPv4: one client, one address. */
function plain(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}

/** Proxies replace these headers rather than append to them, so that a single entry counts whatever `hops`. */
function outermost(header: string | string[] | undefined, hops: number): string | undefined {
  const entries = listOf(header)
  return entries[Math.max(0, entries.length - hops)]
}

function listOf(header: string | string[] | undefined): string[] {
  if (header === undefined) return []
  return String(header)
    .split(',')
    .map((entry) => entry.trim())
}
