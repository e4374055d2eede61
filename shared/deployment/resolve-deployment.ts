/**
 * Which deployment this is, and where its keys are. The accounts database remembers the key space of each name that it
 * was used under; a marker in Redis says which accounts database a key space belongs to. So two installations that
 * share a Redis, each with its accounts, can't take the sessions of one another for their own: either their names
 * differ, or the second one is refused.
 *
 * Several processes on several hosts may do this at once: the database and Redis both decide for the first.
 */
import { hostname } from 'node:os'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import type { DeploymentRecords } from '../accounts/accounts.ts'
import { ConfigurationError } from '../kernel/errors.ts'
import {
  deploymentKeys,
  freshSpace,
  isKeySpace,
  spaceNamed,
  unnamedSpace,
  type DeploymentKeys,
} from './deployment-keys.ts'

export interface Deployment {
  /** As configured, or null: what it is called is its key space then. */
  readonly name: string | null
  readonly space: string
  readonly keys: DeploymentKeys
  /** How this start came to it. `renamed`: this database was used under other names only. */
  readonly origin: 'known' | 'adopted' | 'new' | 'renamed'
}

export interface DeploymentQuestion {
  readonly accounts: DeploymentRecords
  readonly redis: Redis
  readonly name: string | null
  /** Where the accounts database and Redis are, for people: without secrets. */
  readonly places: { readonly database: string; readonly redis: string }
}

/** What the marker says. */
const markerSchema = z.looseObject({
  /** The id of the accounts database. */
  database: z.string(),
  /** Where that was, when it was written. */
  place: z.string().catch('unknown'),
  host: z.string().catch('unknown'),
  at: z.string().catch('unknown'),
})
export type Marker = z.output<typeof markerSchema>

/** Throws a `ConfigurationError` when the keys belong to another accounts database. */
export async function resolveDeployment(question: DeploymentQuestion): Promise<Deployment> {
  const { accounts, redis, name, places } = question
  const own = await accounts.describe()
  const known = knownSpace(own.spaces, name)
  if (known !== null) {
    await claim(question, own.id, known)
    return { name, space: known, keys: deploymentKeys(known), origin: 'known' }
  }
  const origin = (await adopts()) ? 'adopted' : own.spaces.size === 0 ? 'new' : 'renamed'
  const wanted = origin === 'adopted' ? unnamedSpace : name === null ? freshSpace() : spaceNamed(name)
  if (name !== null) await claim(question, own.id, wanted)
  // Another process may have been faster; then its choice is ours.
  const space = await accounts.keepSpace(name ?? '', wanted)
  await claim(question, own.id, space)
  return { name, space, keys: deploymentKeys(space), origin }

  /**
   * Keys from before deployments had names go to the first database that has accounts from then: so an upgrade signs
   * no one out.
   */
  async function adopts(): Promise<boolean> {
    if (!own.olderThanNames || own.spaces.size > 0) return false
    const { sessions, limits, queues, settings } = deploymentKeys(unnamedSpace)
    const traces = [`{${sessions}}:c`, settings, `{${limits}}:epoch`, `${queues}:schedules-applied`]
    const found = await Promise.all(traces.map((key) => redis.exists(key)))
    if (!found.includes(1)) return false
    const marker = await writeMarker(redis, unnamedSpace, own.id, places.database)
    return marker === null || marker.database === own.id
  }
}

/**
 * Which deployment this is, without changing anything: for a command or the doctor. Null when it has never been
 * started. Without a name it is the one that the database knows; of several none can be told.
 */
export async function findDeployment(
  accounts: DeploymentRecords,
  name: string | null,
): Promise<Pick<Deployment, 'name' | 'space' | 'keys'> | null> {
  const { spaces } = await accounts.describe()
  const space = knownSpace(spaces, name)
  return space === null ? null : { name, space, keys: deploymentKeys(space) }
}

/** Whose the keys are by what Redis says, or null. */
export async function readMarker(redis: Redis, keys: Pick<DeploymentKeys, 'marker'>): Promise<Marker | null> {
  const text = await redis.get(keys.marker)
  if (text === null) return null
  try {
    return markerSchema.parse(JSON.parse(text))
  } catch {
    throw new ConfigurationError([
      `What lies at the key ${keys.marker} in Redis does not say whose the keys are: ` +
        'if they are of this deployment, delete it and start again.',
    ])
  }
}

/** Why a deployment with this accounts database must not use the keys, or null. */
export function markerProblem(
  marker: Marker | null,
  ownId: string,
  { keys, places }: { keys: Pick<DeploymentKeys, 'marker'>; places: DeploymentQuestion['places'] },
): string | null {
  if (marker === null || marker.database === ownId) return null
  return (
    `The keys of this deployment in the Redis ${places.redis} belong to another accounts database: ` +
    `${marker.place} (${marker.database}), first used by the host ${marker.host} at ${marker.at}. ` +
    `This server uses ${places.database} (${ownId}). Two installations with one name would accept each other's ` +
    'sessions. Give this one an APP_NAME of its own, or set DATABASE_URL to that database. ' +
    `If that database is gone for good, delete the key ${keys.marker} in Redis and start again.`
  )
}

/** Without a name, the one that the database was always used under. */
function knownSpace(spaces: ReadonlyMap<string, string>, name: string | null): string | null {
  const exact = spaces.get(name ?? '')
  const only = name === null && spaces.size === 1 ? [...spaces.values()][0] : undefined
  const space = exact ?? only ?? null
  if (space !== null && !isKeySpace(space)) {
    throw new ConfigurationError([
      `The accounts database says that the keys of this deployment are ${JSON.stringify(space)}, which can be none: ` +
        'correct the table deployments.',
    ])
  }
  return space
}

async function claim({ redis, places }: DeploymentQuestion, ownId: string, space: string): Promise<void> {
  const keys = deploymentKeys(space)
  const marker = await writeMarker(redis, space, ownId, places.database)
  const problem = markerProblem(marker, ownId, { keys, places })
  if (problem !== null) throw new ConfigurationError([problem])
}

/** Marks the key space as ours if it is nobody's; else gives whose it is. */
async function writeMarker(redis: Redis, space: string, database: string, place: string) {
  const keys = deploymentKeys(space)
  const ours: Marker = { database, place, host: hostname(), at: new Date().toISOString() }
  const written = await redis.set(keys.marker, JSON.stringify(ours), 'NX')
  return written === null ? readMarker(redis, keys) : null
}
