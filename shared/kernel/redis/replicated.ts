/**
 * A script whose writes must be on replicas too before its reply counts.
 *
 * WAIT covers the writes of its own connection alone: asked on another one it answers at once, and means nothing. So it
 * goes in one pipeline with the script. It holds up what comes after it on that connection, so that connection is
 * private to it.
 */
import type { Cluster, Redis } from 'ioredis'
import { isUnknownScript, type Script } from './script.ts'

export interface Replicated {
  readonly reply: unknown
  /** How many replicas have acknowledged everything up to this script. */
  readonly replicas: number
}

/** Runs the script, and waits until `replicas` of them have what it wrote, for `timeoutMs` at the longest. */
export async function runReplicated(
  redis: Redis,
  script: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
  wanted: { readonly replicas: number; readonly timeoutMs: number },
): Promise<Replicated> {
  const parameters = [keys.length, ...keys, ...args] as const
  async function attempt(withSource: boolean): Promise<Replicated> {
    const pipeline = redis.pipeline()
    if (withSource) pipeline.eval(script.source, ...parameters)
    else pipeline.evalsha(script.sha1, ...parameters)
    const results = await pipeline.wait(wanted.replicas, wanted.timeoutMs).exec()
    const [ran, waited] = results ?? []
    if (!ran || !waited) throw new Error('the pipeline was not run')
    if (ran[0]) throw ran[0]
    if (waited[0]) throw waited[0]
    return { reply: ran[1], replicas: Number(waited[1]) }
  }

  try {
    return await attempt(false)
  } catch (failure) {
    if (isUnknownScript(failure)) return attempt(true)
    if (!hasMoved(failure)) throw failure
    // ioredis follows a redirection only for pipelines in which every command was redirected; WAIT never is.
    await new Promise<void>((resolve) => (redis as unknown as Cluster).refreshSlotsCache(() => resolve()))
    return attempt(true)
  }
}

function hasMoved(failure: unknown): boolean {
  return failure instanceof Error && /^(MOVED|ASK) /.test(failure.message)
}
