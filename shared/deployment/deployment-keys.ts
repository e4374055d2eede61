/**
 * The names of everything that a deployment keeps in Redis, derived in one place: two installations on one Redis must
 * never meet, and every process of one must find the same sessions, limits, queues and settings.
 *
 * A *key space* is the part of the names that is the deployment's own. The empty one has the names that there were
 * before deployments had names; it goes on for the deployment that has always used them.
 */
import { createHash, randomInt } from 'node:crypto'

export interface DeploymentKeys {
  /** `sx.shop`: what sessions, their invalidations and the settings lie under, as `{sx.shop}:…`. */
  readonly sessions: string
  /** `lm.shop`: the rate limits, as `{lm.shop}:…`. */
  readonly limits: string
  /** `{lockstep.shop}`: queues and schedules. */
  readonly queues: string
  /** `lv.shop`: channels of streams and sockets, and what is kept of them, as `lv.shop:…`. */
  readonly live: string
  /** `{sx.shop}:settings` */
  readonly settings: string
  /** `{lockstep.shop}:hosts` and `{lockstep.shop}:host:<id>`: who runs where. */
  readonly hosts: string
  readonly host: (id: string) => string
  /** `{sx.shop}:probe`: never there; deleted to learn whether Redis takes writes. */
  readonly probe: string
  /** `{sx.shop}:deployment`: whose all of this is. */
  readonly marker: string
}

/** The names that there were before deployments had names. */
export const unnamedSpace = ''

export function deploymentKeys(space: string): DeploymentKeys {
  if (!isKeySpace(space)) throw new TypeError(`not a key space: ${JSON.stringify(space)}`)
  const named = (part: string) => (space === unnamedSpace ? part : `${part}.${space}`)
  const [sessions, limits, live, lockstep] = [named('sx'), named('lm'), named('lv'), named('lockstep')]
  return {
    sessions,
    limits,
    live,
    queues: `{${lockstep}}`,
    settings: `{${sessions}}:settings`,
    hosts: `{${lockstep}}:hosts`,
    host: (id) => `{${lockstep}}:host:${id}`,
    probe: `{${sessions}}:probe`,
    marker: `{${sessions}}:deployment`,
  }
}

export function isKeySpace(text: string): boolean {
  return /^[a-z0-9-]{0,48}$/.test(text)
}

const longestSlug = 32

/**
 * The key space of a name: the same on every host. `shop` is `shop`; a name that had to be changed in order to fit
 * (`Shop & Söhne`) gets something of its hash, so that two names never share one.
 */
export function spaceNamed(name: string): string {
  const slug = name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, longestSlug)
    .replace(/^-+|-+$/g, '')
  if (slug === name) return slug
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 8)
  return slug === '' ? hash : `${slug}-${hash}`
}

/** Without what is taken for something else on paper. */
const letters = '23456789abcdefghjkmnpqrstuvwxyz'

/** A key space that no other deployment has. */
export function freshSpace(): string {
  return Array.from({ length: 12 }, () => letters[randomInt(letters.length)]).join('')
}
