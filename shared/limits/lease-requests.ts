/**
 * Requests for tokens, gathered: those of one turn of the event loop go to Redis in one script call, which shares its
 * clock and its record among them. What is asked is decided when it is sent, so that all who want something of a key in
 * that turn are asked for together.
 */
import type { Filled, KeyState } from './key-state.ts'
import type { Grant, Ledgers, Trip } from './ledgers.ts'
import type { Terms } from './policy.ts'
import { lease, type LeaseAnswer, type LeaseAnswers, type LeaseClaim } from './scripts.ts'

export interface LeaseRequest {
  readonly state: KeyState
  readonly terms: Terms
  readonly need: number
  /** Of the state, when it was asked. */
  readonly version: number
  readonly askedAt: number
  resolve(filled: Filled): void
}

/** What becomes of requests; called once for each, in the order in which they were made. */
export interface LeaseHandler {
  /** It is sent now: what is asked for. */
  claim(request: LeaseRequest): LeaseClaim
  granted(
    request: LeaseRequest,
    claim: LeaseClaim,
    answer: LeaseAnswer,
    grant: Grant,
    trip: Trip<unknown>,
  ): Filled
  failed(request: LeaseRequest, cause: unknown): Filled
  /** The answer came when `failed` had been called. */
  late(grant: Grant): void
}

export interface LeaseRequests {
  send(request: LeaseRequest): void
  /** Resolves when nothing is under way. */
  idle(): Promise<void>
}

/** More in one call would keep Redis from others for too long: each costs it some 5 microseconds. */
const mostInACall = 64

export function createLeaseRequests(ledgers: Ledgers, handler: LeaseHandler): LeaseRequests {
  const underway = new Set<Promise<void>>()
  let waiting: LeaseRequest[] = []

  function flush(): void {
    if (waiting.length === 0) return
    const asked = ask(waiting)
    waiting = []
    underway.add(asked)
    void asked.then(() => underway.delete(asked))
  }

  /** Never rejects. */
  async function ask(requests: readonly LeaseRequest[]): Promise<void> {
    const claims = requests.map(handler.claim)
    const grantOf = (i: number, { postmark, answers }: LeaseAnswers): Grant => {
      const { granted, place } = answers[i] as LeaseAnswer
      const { terms } = requests[i] as LeaseRequest
      const { ledger } = claims[i] as LeaseClaim
      return { ledgerKey: ledger, postmark, number: i, place, tokens: granted, terms }
    }
    try {
      const trip = await ledgers.ask(
        (redis, preamble) => lease(redis, ledgers.record, preamble, claims),
        (late) => requests.forEach((_, i) => handler.late(grantOf(i, late))),
      )
      const { answers } = trip.answer
      for (const [i, request] of requests.entries()) {
        const answer = answers[i] as LeaseAnswer
        const claim = claims[i] as LeaseClaim
        request.resolve(handler.granted(request, claim, answer, grantOf(i, trip.answer), trip))
      }
    } catch (cause) {
      for (const request of requests) request.resolve(handler.failed(request, cause))
    }
  }

  return {
    send(request) {
      waiting.push(request)
      if (waiting.length === 1) setImmediate(flush)
      else if (waiting.length === mostInACall) flush()
    },
    async idle() {
      flush()
      while (underway.size > 0) await Promise.all(underway)
    },
  }
}
