/**
 * Jobs on behalf of a session or a user end with it. The rules are those of all that depends on a session
 * (session-watch.ts), kept by a membership of the coherence domain that lasts as long as such a job runs here:
 *
 *  1. *Listed before asked.* The process is a member, and the job is watched over, before Redis is asked whether its
 *     behalf stands; the handler is called after the answer. A revocation from before is in the answer, and one from
 *     after it is waited for by its revoker.
 *  2. *Told before acknowledged.* An end aborts the signal of the job before this process acknowledges it, however long
 *     Redis takes to answer; the revoker waits until our lease is over.
 *  3. A process that was outwaited (it hung, or was cut off) tells its jobs as soon as it hears, by the next renewal.
 *
 * A process that runs no such job is no member: a handler that keeps its process busy delays nobody's logout.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Coherence } from '../coherence/index.ts'
import { deadlineIn, type Service } from '../kernel/lifecycle.ts'
import { behalfKey, type Behalf, type BehalfWatch } from '../queues/behalf.ts'
import type { Standings } from '../sessions/index.ts'
import type { SessionWatch } from './session-watch.ts'

export interface BehalfWatchOptions {
  /** A membership that this watch starts and stops. */
  readonly coherence: Pick<Coherence, 'leaseOk' | 'start' | 'stop'>
  readonly standings: Pick<Standings, 'peekSession' | 'generationStands'>
  /** Over the sessions of that membership. */
  readonly watch: Pick<SessionWatch, 'watchStanding' | 'stop'>
  /** How long the membership outlasts the last job. */
  readonly lingerMs?: number
}

/** While Redis can't be asked. */
const againMs = 250

export function createBehalfWatch(options: BehalfWatchOptions): BehalfWatch & Service {
  const { coherence, standings, watch, lingerMs = 10_000 } = options
  let holders = 0
  let member = false
  let stopped = false
  let changing: Promise<void> = Promise.resolve()
  let leaving: NodeJS.Timeout | undefined

  function change(step: () => Promise<void>): Promise<void> {
    changing = changing.catch(() => {}).then(step)
    return changing
  }

  async function beMember(): Promise<void> {
    if (member || stopped) return
    await coherence.start()
    member = true
  }

  async function leave(): Promise<void> {
    if (!member || (holders > 0 && !stopped)) return
    member = false
    await coherence.stop(deadlineIn(1_000))
  }

  function hold(): () => void {
    holders++
    clearTimeout(leaving)
    return () => {
      holders--
      if (holders > 0 || stopped) return
      clearTimeout(leaving)
      leaving = setTimeout(() => void change(leave).catch(() => {}), lingerMs).unref()
    }
  }

  /** Resolves when revokers wait for this process; never rejects. */
  async function listed(isOver: () => boolean): Promise<void> {
    while (!isOver() && !stopped) {
      await change(beMember).catch(() => {})
      if (member && coherence.leaseOk()) return
      await pause(member ? 20 : againMs, undefined, { ref: false })
    }
  }

  return {
    watch(behalf, ended) {
      const letGo = hold()
      let over = false
      let release = () => {}
      const begun = listed(() => over).then(async () => {
        if (over || stopped) return
        const watched = watch.watchStanding({
          key: behalfKey(behalf),
          userId: behalf.user,
          ask: () => ask(standings, behalf),
          ended: () => ended(),
        })
        release = watched.release
        await watched.known
      })
      return {
        known: begun,
        release() {
          if (over) return
          over = true
          release()
          letGo()
        },
      }
    },

    async start() {},
    async stop() {
      stopped = true
      clearTimeout(leaving)
      watch.stop()
      await change(leave)
    },
  }
}

async function ask(standings: BehalfWatchOptions['standings'], behalf: Behalf) {
  if (behalf.kind === 'session') return standings.peekSession(behalf.user, behalf.session)
  const stands = await standings.generationStands(behalf.user, behalf.generation)
  return stands ? { leftMs: Infinity, hash: null } : null
}

/** Whether it stands now, for those who only look. */
export async function stands(standings: BehalfWatchOptions['standings'], behalf: Behalf): Promise<boolean> {
  return (await ask(standings, behalf)) !== null
}
