import type { Redis } from 'ioredis'
import { identityOf } from '../kernel/redis/identity.ts'

/** To the script: it asks its server itself. */
const unknown = '-'

/**
 * Which server process a connection leads to, so that a script need not ask its server each time. A connection leads to
 * one process for as long as it lives: what was found out over it holds until it closes. Whatever is not certain (there
 * is no connection now, or a Cluster with several) is asked by the script.
 */
export function watchServer(redis: Redis) {
  let knownStream: unknown = null
  let knownRunId = unknown

  /** The connection that a command is written to now, at once; null when it would wait for one. */
  function currentStream(): unknown {
    // Told by its property: an application may bring clients of another version of ioredis.
    if (redis.isCluster || redis.status !== 'ready') return null
    const { stream } = redis as unknown as { stream?: { writable: boolean } }
    return stream?.writable ? stream : null
  }

  return {
    /**
     * Sends one command, to which the run id is given, and learns it from the reply. `verify`: has the script ask all the
     * same, in case someone in between moves connections from one server to another.
     */
    async ask(send: (runId: string) => Promise<unknown>, { verify = false } = {}): Promise<unknown> {
      // Where scripts may not ask, the connection did, and asks again every so often (REDIS_IDENTITY=connection).
      const told = identityOf(redis)
      if (told) {
        const runId = await told.runId()
        if (!told.holds(runId)) throw new Error('The connection to Redis has changed')
        return send(runId)
      }
      const stream = currentStream()
      const known = stream !== null && stream === knownStream
      const reply = await send(known && !verify ? knownRunId : unknown)
      if (stream !== null && stream === currentStream() && (verify || !known)) learn(stream, reply)
      return reply
    },
  }

  /** Replies begin with the incarnation, and that begins with the run id. */
  function learn(stream: unknown, reply: unknown): void {
    const runId = /^([0-9a-f]{40}):/.exec(String(Array.isArray(reply) ? reply[0] : reply))?.[1]
    if (runId === undefined) return
    knownStream = stream
    knownRunId = runId
  }
}
