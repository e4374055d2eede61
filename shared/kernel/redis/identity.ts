/**
 * Which run of Redis a connection leads to, for a Redis whose scripts may not ask (REDIS_IDENTITY=connection).
 *
 * A script of ours begins with the run id of the server, so that it notices another life of Redis. Here that is asked
 * once for each connection, outside of the scripts, and written into their text. A script runs on the connection that
 * was asked or not at all. This is weaker: what happens behind a connection that stays open (a proxy that leads to
 * another server) is noticed only at the next time of asking, a second later at most.
 */
import type { Redis } from 'ioredis'

const againMs = 1_000

/** As it stands in the scripts. */
const question = "redis.call('INFO', 'server')"

export interface ConnectionIdentity {
  /** Rejects while there is no connection within the bound of a command, or the server does not tell. */
  runId(): Promise<string>
  /** Whether a command that is sent now goes to the server that was asked. */
  holds(runId: string): boolean
}

const identities = new WeakMap<Redis, ConnectionIdentity>()

/** How the scripts on this connection learn who Redis is; undefined: they ask themselves. */
export function identityOf(client: Redis): ConnectionIdentity | undefined {
  return identities.get(client)
}

/** From now on the scripts that run on this client are told. */
export function tellScripts(client: Redis): void {
  let known: string | null = null
  let asking: Promise<string> | null = null

  function ask(): Promise<string> {
    const mine = client.info('server').then((info) => {
      const runId = /^run_id:([0-9a-f]+)/m.exec(info)?.[1]
      if (runId === undefined) throw new Error('Redis does not tell its run id (INFO server)')
      if (asking === mine) known = runId
      return runId
    })
    mine.catch(() => {
      if (asking === mine) asking = known = null
    })
    return (asking = mine)
  }

  const timer = setInterval(() => {
    if (client.status === 'ready') void ask().catch(() => {})
  }, againMs)
  timer.unref()
  client.on('close', () => (asking = known = null))
  client.on('end', () => clearInterval(timer))

  identities.set(client, {
    // Asking waits for a connection, within its bound.
    runId: async () => known ?? asking ?? ask(),
    holds: (runId) => known === runId && client.status === 'ready' && client.stream.writable,
  })
}

/** The text of a script that is told instead of asking. */
export function tell(source: string, runId: string): string {
  return source.replaceAll(question, `'run_id:${runId}'`)
}
