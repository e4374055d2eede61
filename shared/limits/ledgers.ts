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
import { createLinkMeter } from './link-meter.ts'
import { withPatience } from './patience.ts'
import type { OnDataLoss, Terms } from './policy.ts'
import {
  forget,
  foundRecord,
  inspect,
  pardon,
  readStanding,
  refund,
  reportStep,
  trustRecord,
  type Place,
  type Postmark,
  type Preamble,
  type RecordStanding,
  type Standing,
} from './scripts.ts'
import { createStepDetector } from './step-detector.ts'

export interface Ledgers {
  readonly keys: LimitKeys
  /** Which record these ledgers have. */
  readonly record: string
  /**
   * Sends a request that charges. An answer that comes when no one waits any more goes to `onLate`. Rejects with
   * `Unavailable` when there is no usable answer within the patience.
   */
  ask<A extends { readonly postmark: Postmark }>(
    send: (redis: Redis, preamble: Preamble) => Promise<A>,
    onLate: (answer: A) => void,
  ): Promise<Trip<A>>
  /** Gives tokens back that surely were not and will not be used. Never rejects: what fails is charged a term longer. */
  giveBack(grant: Grant): Promise<void>
  /** What stands in a ledger. Rejects with `Unavailable`, like all below. */
  inspect(ledgerKey: string, terms: Terms, onDataLoss: OnDataLoss): Promise<Standing>
  /** Empties a ledger. */
  forget(ledgerKey: string, terms: Terms): Promise<void>
  /** Empties the ledger of an account, and those of each address with it. */
  pardon(pardonKey: string, accountLedgerKey: string, keepMs: number): Promise<void>
  /** Declares that this is a new installation: no charges can have been lost. */
  found(): Promise<void>
  /** What may have been lost of charges that count for so long. */
  standing(keepMs: number): Promise<RecordStanding>
  /** Takes for granted that nothing was lost. */
  trust(): Promise<boolean>
  /** How long a trip takes, as measured. */
  readonly tripMs: number
  /** As the last answer had it: for how long limits make up for what was lost. */
  readonly recoveringMs: number
}

export interface Trip<A> {
  readonly answer: A
  /** On this process' clocks: Redis dated the answer no earlier than this. */
  readonly datedAt: number
  readonly datedAtWall: number
  /** Redis' clock has been set forward since the trip before: nothing granted may be used. */
  readonly stepped: boolean
}

/** Tokens and where they were charged. */
export interface Grant {
  readonly ledgerKey: string
  /** Of the answer that granted, and which of its grants this is: each is given back once. */
  readonly postmark: Postmark
  readonly number: number
  readonly place: Place
  readonly tokens: number
  readonly terms: Terms
}

/** For how long a grant can't be given back twice: nothing is sent again after that. */
const refundOnceMs = 10_000

export function createLedgers(options: {
  readonly redis: Redis
  readonly clock: Clock
  readonly prefix: string | undefined
  readonly record?: 'record' | 'signInRecord'
  /** The longest that an answer is waited for. */
  readonly patienceMs: () => number
  readonly counters: LimiterCounters
}): Ledgers {
  const { redis, clock, counters } = options
  const keys = limitKeys(options.prefix)
  const record = keys[options.record ?? 'record']
  const workerId = randomBytes(9).toString('base64url')
  const detector = createStepDetector()
  const link = createLinkMeter()
  /** The latest charge that we know of, and the latest loss. */
  let seen = { epoch: '', run: '', grants: 0, losses: 0, lossAt: 0 }
  let recoveringUntil = 0
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
      seenLosses: seen.losses,
      seenLossAt: seen.lossAt,
    }
  }

  function remember({ epoch, run, grants, losses, lossAt, recoveringMs }: Postmark): void {
    const sameRun = epoch === seen.epoch && run === seen.run
    seen = { epoch, run, grants: sameRun ? Math.max(grants, seen.grants) : grants, losses, lossAt }
    recoveringUntil = clock.mono() + recoveringMs
  }

  /** Whether Redis' clock has been set forward; tells Redis so. Until that has worked, each trip notices it again. */
  async function noticeStep(postmark: Postmark, sentAt: number, receivedAt: number): Promise<boolean> {
    if (postmark.epoch !== seen.epoch) detector.forget()
    const stepMs = detector.steppedBy(postmark.now, sentAt, receivedAt)
    if (stepMs === 0) return false
    counters.clockSteps += 1
    await withPatience(reportStep(redis, record, postmark, stepMs), options.patienceMs(), () => {})
    return true
  }

  async function ask<A extends { readonly postmark: Postmark }>(
    send: (redis: Redis, preamble: Preamble) => Promise<A>,
    onLate: (answer: A) => void,
  ): Promise<Trip<A>> {
    counters.trips += 1
    try {
      const sentAt = clock.mono()
      const sentAtWall = clock.wall()
      const request = preamble()
      const isOwn = ({ postmark }: A) => postmark.requestId === request.requestId
      const answer = await withPatience(send(redis, request), options.patienceMs(), (late) => {
        if (isOwn(late)) onLate(late)
      })
      // An answer to another's question: the connection is out of step with its replies.
      if (!isOwn(answer)) throw new TypeError('not the answer to this request')
      const { postmark } = answer
      const receivedAt = clock.mono()
      link.note(receivedAt - sentAt)
      const stepped = await noticeStep(postmark, sentAt, receivedAt)
      remember(postmark)
      const datedAt = Math.max(sentAt, detector.earliest(postmark.now))
      return { answer, datedAt, datedAtWall: sentAtWall + (datedAt - sentAt), stepped }
    } catch (cause) {
      counters.failures += 1
      // What can't be understood may be the reply to another command: only a new connection is sure to be right.
      if (cause instanceof TypeError) redis.disconnect(true)
      throw new Unavailable('redis', { cause })
    }
  }

  return {
    keys,
    record,
    ask,
    async giveBack({ ledgerKey, postmark, number, place, tokens, terms: { keepMs, slotMs } }) {
      const { requestId, run, epoch } = postmark
      const marker = keys.refund(`${requestId}.${number}`)
      const grant = { place, tokens, run, epoch, keepMs, slotMs, lifetimeMs: refundOnceMs }
      const taken = await refund(redis, { marker, ledger: ledgerKey, record }, grant).catch(() => false)
      if (taken) counters.refunded += tokens
    },
    inspect: (ledger, terms, onDataLoss) => answered(inspect(redis, { record, ledger }, terms, onDataLoss)),
    forget: (ledger, terms) => answered(forget(redis, { record, ledger }, terms)),
    pardon: (pardonKey, ledger, keepMs) =>
      answered(pardon(redis, { record, pardon: pardonKey, ledger }, keepMs)),
    found: async () => void (await answered(foundRecord(redis, record, nextId()))),
    standing: (keepMs) => answered(readStanding(redis, record, keepMs)),
    trust: () => answered(trustRecord(redis, record, nextId())),
    get tripMs() {
      return link.tripMs
    },
    get recoveringMs() {
      return Math.max(0, recoveringUntil - clock.mono())
    },
  }
}

function answered<T>(reply: Promise<T>): Promise<T> {
  return reply.catch((cause: unknown) => {
    throw new Unavailable('redis', { cause })
  })
}
