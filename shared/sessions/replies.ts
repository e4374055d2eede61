/** Sessions as the scripts describe them, parsed once on entry. One of the wrong shape is `corrupt`; the rest go on. */
import type { Identity, SessionData } from './sessions.ts'

/** A session that the authority has just called valid. */
export interface Description {
  readonly identity: Identity
  /** Milliseconds that were left of it when Redis answered. */
  readonly ttlMs: number
}

/** The output of `describe` in session.lua, or null when it is not what we would have written. */
export function parseDescription(reply: unknown): Description | null {
  if (!Array.isArray(reply)) return null
  const [
    ttl,
    userId,
    id,
    label,
    agent,
    ip,
    remember,
    created,
    seen,
    absolute,
    version,
    roles,
    profile,
    lineage,
  ] = reply
  const ttlMs = integer(ttl)
  const createdAt = integer(created)
  const lastSeenAt = integer(seen)
  const absoluteExpiresAt = integer(absolute)
  const parsedRoles = parseJson(roles)
  const parsedProfile = parseJson(profile)
  if (typeof userId !== 'string' || typeof id !== 'string') return null
  if (ttlMs === null || createdAt === null || lastSeenAt === null || absoluteExpiresAt === null) return null
  if (!isListOfText(parsedRoles) || !isRecord(parsedProfile)) return null
  return {
    ttlMs,
    identity: Object.freeze({
      user: Object.freeze({
        id: userId,
        roles: Object.freeze(parsedRoles),
        version: integer(version) ?? 0,
        ...(typeof lineage === 'string' ? { lineage } : {}),
        profile: Object.freeze(parsedProfile),
      }),
      session: Object.freeze({
        id,
        label: optionalText(label),
        userAgent: optionalText(agent),
        ip: optionalText(ip),
        remember: remember === '1',
        createdAt,
        lastSeenAt,
        absoluteExpiresAt,
      }),
    }),
  }
}

/** Prefix of the hash fields that hold the application's own data, one field each. */
export const dataFieldPrefix = 'd:'

/** The data fields out of a flat HGETALL, or null when one of them is not JSON. */
export function parseData(reply: unknown): SessionData | null {
  if (!Array.isArray(reply)) return null
  const data: SessionData = {}
  for (let i = 0; i + 1 < reply.length; i += 2) {
    const field = String(reply[i])
    if (!field.startsWith(dataFieldPrefix)) continue
    const value = parseJson(reply[i + 1])
    if (value === undefined) return null
    data[field.slice(dataFieldPrefix.length)] = value
  }
  return data
}

function parseJson(text: unknown): unknown {
  if (typeof text !== 'string') return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function integer(value: unknown): number | null {
  const number =
    typeof value === 'number' ? value : typeof value === 'string' && value !== '' ? Number(value) : NaN
  return Number.isSafeInteger(number) ? number : null
}

function optionalText(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

function isListOfText(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
