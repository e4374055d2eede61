/**
 * What a handler enqueues `onBehalfOf: 'session'` or `'user'` is bound to who is asking it: the request's session, or
 * what the job that it runs for was asked for.
 */
import type { Behalf } from '../queues/behalf.ts'
import type { Flow } from '../queues/flow.ts'
import type { EnqueueOptions } from '../queues/request.ts'
import type { Standings } from '../sessions/index.ts'
import type { AppContext } from './context.ts'
import type { AppQueues, Parts } from './parts.ts'
import { problem } from './problem.ts'

/** Who is asking, as far as jobs need to know. */
export interface Asker {
  /** Kept with the job, so that they may look at it. */
  readonly user: string
  behalf(kind: 'session' | 'user'): Behalf | Promise<Behalf>
}

/** Null: no user is signed in. */
export function askerOf(ctx: AppContext, standings: Pick<Standings, 'generationOf'>): Asker | null {
  const { identity, token } = ctx.state
  if (identity === null || token === null) return null
  const user = identity.user.id
  return {
    user,
    async behalf(kind) {
      if (kind === 'session') return { kind, user, session: identity.session.id }
      const generation = await standings.generationOf(token)
      if (generation === null) throw problem('session-gone', 'the session has ended: sign in again')
      return { kind, user, generation }
    },
  }
}

/** A job passes on what it was asked for, and no more. */
export function askerOfJob(behalf: Behalf | null): Asker | null {
  if (behalf === null) return null
  return {
    user: behalf.user,
    behalf(kind) {
      if (kind === behalf.kind) return behalf
      throw new TypeError(`onBehalfOf: this job is done on behalf of a ${behalf.kind}, and not of a ${kind}`)
    },
  }
}

/** The same parts, whose queues know who is asking. */
export function partsFor(asker: Asker | null, parts: Parts): Parts {
  return asker === null ? parts : { ...parts, queues: queuesFor(asker, parts.queues) }
}

function queuesFor(asker: Asker, queues: AppQueues): AppQueues {
  async function bound(options: EnqueueOptions): Promise<EnqueueOptions> {
    const { onBehalfOf } = options
    if (onBehalfOf !== 'session' && onBehalfOf !== 'user') return options
    return { by: asker.user, ...options, onBehalfOf: await asker.behalf(onBehalfOf) }
  }

  async function boundFlow(asked: Flow): Promise<Flow> {
    const { children, options } = asked.options
    return {
      ...asked,
      options: {
        ...asked.options,
        ...(options ? { options: await bound(options) } : {}),
        ...(children ? { children: await Promise.all(children.map(boundFlow)) } : {}),
      },
    }
  }

  return {
    ...queues,
    enqueue: async (job, payload, options) =>
      queues.enqueue(job, payload, options === undefined ? options : await bound(options)),
    enqueueMany: async (job, requests) =>
      queues.enqueueMany(
        job,
        await Promise.all(
          requests.map(async ({ payload, options }) =>
            options === undefined ? { payload } : { payload, options: await bound(options) },
          ),
        ),
      ),
    enqueueFlow: async (asked) => queues.enqueueFlow(await boundFlow(asked)),
  }
}
