/**
 * The ledgers in Redis as one worker deals with them. Every trip is bounded in time, is answered by its own answer
 * or not at all, tells Redis what this worker has seen (so that lost charges are noticed) and checks that Redis'
 * clock has not stepped.
 */
import { randomBytes } from 'node:crypto'
import type { Redis } from 'ioredis'
import type { Clock } from '../kernel/clock.ts'
import { Unavailable } from '../kernel/errors.ts'
import type { LimiterCounters } from './counters.ts'
import { limitKeys, type LimitKeys } from './keys.ts'
import { withPatience } from './patience.ts'
import type { Terms } from './policy.ts'
import {
  foundEpoch,
  inspect,
  pardon,
  refund,
  renewEpoch,
  type Place,
  type Postmark,
  type Preamble,
  type Standing,
} from './scripts.ts'
import { createStepDetector } from './step-detector.ts'

export interface Ledgers {
  readonly keys: LimitKeys
  /**
   * Sends a request for a grant. An answer that comes when nobody waits any more goes to `onLate`. Rejects with
   * `Unavailable` when there is no usable answer within the patience.
   */
  ask<A extends { readonly postmark: Postmark }>(
    send: (redis: Redis, epochKey: string, preamble: Preamble) => Promise<A>,
    onLate: (answer: A) => void,
  ): Promise<Trip<A>>
  /** Gives tokens back that surely were not and will not be used. Never rejects: what fails is charged a term longer. */
  giveBack(grant: Grant): Promise<void>
  /** What stands in a ledger. Rejects with `Unavailable`, like all below. */
  inspect(ledgerKey: string, terms: Terms): Promise<Standing>
  /** Empties a ledger. */
  forget(ledgerKey: string): Promise<void>
  /** Empties the ledger of an account, and those of each address with it. */
  pardon(pardonKey: string, accountLedgerKey: string, keepMs: number): Promise<void>
  /** Declares that this is a new installation: no charges can have been lost, so no quarantine. */
  found(): Promise<void>
}

export interface Trip<A> {
  readonly answer: A
  /** On this process' clocks, before the request went out: Redis granted later than this. */
  readonly sentAt: number
  readonly sentAtWall: number
  /** The answer was dated by a clock that has stepped: nothing granted may be used. */
  readonly stepped: boolean
}

/** Tokens and where they were charged. */
export interface Grant {
  readonly ledgerKey: string
  /** Unique: a grant is given back once. */
  readonly id: string
  readonly place: Place
  readonly tokens: number
  readonly keepMs: number
}

export function createLedgers(options: {
  readonly redis: Redis
  readonly clock: Clock
  readonly prefix: string | undefined
  readonly patienceMs: number
  readonly counters: LimiterCounters
}): Ledgers {
  const { redis, clock, patienceMs, counters } = options
  const keys = limitKeys(options.prefix)
  const workerId = randomBytes(9).toString('base64url')
  const detector = createStepDetector()
  /** The latest grant that we know of. */
  let seen = { epoch: '', run: '', grants: 0 }
  /** The epoch in which a step was seen that Redis has not been told of yet. */
  let steppedIn: string | null = null
  let requests = 0

  function nextId(): string {
    requests += 1
    return `${workerId}.${requests}`
  }

  function preamble(): Preamble {
    return {
      requestId: nextId(),
      seenEpoch: seen.epoch,
      seenRun: seen.run,
      seenGrants: seen.grants,
    }
  }

  function remember({ epoch, run, grants }: Postmark): void {
    const sameRun = epoch === seen.epoch && run === seen.run
    seen = { epoch, run, grants: sameRun ? Math.max(grants, seen.grants) : grants }
  }

  async function reportStep(epoch: string): Promise<void> {
    steppedIn = epoch
    await withPatience(renewEpoch(redis, keys.epoch, epoch, nextId()), patienceMs, () => {})
    steppedIn = null
  }

  async function ask<A extends { readonly postmark: Postmark }>(
    send: (redis: Redis, epochKey: string, preamble: Preamble) => Promise<A>,
    onLate: (answer: A) => void,
  ): Promise<Trip<A>> {
    counters.trips += 1
    try {
      if (steppedIn !== null) await reportStep(steppedIn)
      const sentAt = clock.mono()
      const sentAtWall = clock.wall()
      const request = preamble()
      const isOwn = ({ postmark }: A) => postmark.requestId === request.requestId
      const answer = await withPatience(send(redis, keys.epoch, request), patienceMs, (late) => {
        if (isOwn(late)) onLate(late)
      })
      // An answer to somebody else's question: the connection is out of step with its replies.
      if (!isOwn(answer)) throw new TypeError('not the answer to this request')
      const { postmark } = answer
      const stepped = detector.stepped(postmark.now, sentAt, clock.mono())
      if (stepped) {
        counters.clockSteps += 1
        await reportStep(postmark.epoch)
      }
      remember(postmark)
      return { answer, sentAt, sentAtWall, stepped }
    } catch (cause) {
      counters.failures += 1
      // What can't be understood may be the reply to another command: only a new connection is sure to be right.
      if (cause instanceof TypeError) redis.disconnect(true)
      throw new Unavailable('redis', { cause })
    }
  }

  return {
    keys,
    ask,
    async giveBack({ ledgerKey, id, place, tokens, keepMs }) {
      const marker = keys.refund(id)
      // The slot ends at most a 32nd of a window after the charge; twice as long is beyond doubt.
      const grant = { place, tokens, lifetimeMs: 2 * keepMs }
      const taken = await refund(redis, { marker, ledger: ledgerKey }, grant).catch(() => false)
      if (taken) counters.refunded += tokens
    },
    inspect: (ledger, terms) => answered(inspect(redis, { epoch: keys.epoch, ledger }, terms)),
    forget: async (ledgerKey) => void (await answered(redis.del(ledgerKey))),
    pardon: (pardonKey, ledger, keepMs) =>
      answered(pardon(redis, { epoch: keys.epoch, pardon: pardonKey, ledger }, keepMs)),
    found: async () => void (await answered(foundEpoch(redis, keys.epoch, nextId()))),
  }
}

function answered<T>(reply: Promise<T>): Promise<T> {
  return reply.catch((cause: unknown) => {
    throw new Unavailable('redis', { cause })
  })
}
