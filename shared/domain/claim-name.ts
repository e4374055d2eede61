/**
 * Whose a name is. Two applications that use one name in one Redis would accept each other's sessions, so the first one
 * leaves its own name there, and another one is refused. A server (`lockstep start`) leaves the id of its accounts
 * database at the same key (shared/deployment/), so that the two ways in never meet by accident either.
 */
import { hostname } from 'node:os'
import type { Redis } from 'ioredis'
import { deploymentKeys, spaceNamed } from '../deployment/deployment-keys.ts'
import { ConfigurationError } from '../kernel/errors.ts'

const ofApplication = 'application:'

/** Throws a `ConfigurationError` when the name is another application's. */
export async function claimName(redis: Redis, name: string, application: string | null): Promise<void> {
  const { marker } = deploymentKeys(spaceNamed(name))
  // Asked first: a Redis that may not write at the moment is no reason not to start again.
  const known = (await redis.get(marker)) ?? (await leave(redis, marker, application))
  if (known === null) return
  const owner = ownerIn(known)
  if (owner === null) {
    throw new ConfigurationError([
      `what lies at the key ${marker} in Redis does not say whose the sessions named ${name} are: delete it and start again`,
    ])
  }
  const isOurs = owner.database.startsWith(ofApplication)
    ? application === null || owner.database === ofApplication + application
    : false
  if (isOurs) return
  const other = owner.database.startsWith(ofApplication)
    ? `another application, ${JSON.stringify(owner.database.slice(ofApplication.length))}`
    : `a server that was started with lockstep start (accounts in ${owner.place})`
  throw new ConfigurationError([
    `the name ${JSON.stringify(name)} belongs to ${other}, first used by the host ${owner.host} at ${owner.at}: two ` +
      "applications with one name would accept each other's sessions. Give this one another name; if they are one and the " +
      `same, give both the same \`app\`; if the other is gone for good, delete the key ${marker} in Redis`,
  ])
}

/** Null when it was nobody's; else what another process, a moment earlier, has written. */
async function leave(redis: Redis, marker: string, application: string | null): Promise<string | null> {
  if (application === null) return null
  const text = JSON.stringify({
    database: ofApplication + application,
    place: application,
    host: hostname(),
    at: new Date().toISOString(),
  })
  return (await redis.set(marker, text, 'NX')) === null ? redis.get(marker) : null
}

interface Owner {
  readonly database: string
  readonly place: string
  readonly host: string
  readonly at: string
}

function ownerIn(text: string): Owner | null {
  try {
    const { database, place, host, at } = JSON.parse(text) as Record<string, unknown>
    if (typeof database !== 'string') return null
    return { database, place: word(place), host: word(host), at: word(at) }
  } catch {
    return null
  }
}

function word(value: unknown): string {
  return typeof value === 'string' ? value : 'unknown'
}
