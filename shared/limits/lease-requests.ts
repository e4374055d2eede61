/**
 * Requests for tokens, gathered: those of one turn of the event loop go to Redis in one script call, which shares its
 * clock and its record among them. What is asked is decided when it is sent, so that all who want something of a key in
 * that turn are asked for together.
 */
import type { Grant, Ledgers, Trip } from './ledgers.ts'
import type { Terms } from './policy.ts'
import { lease, type LeaseAnswer, type LeaseAnswers, type LeaseClaim } from './scripts.ts'

export interface LeaseRequests {
  /** Rejects with `Unavailable`, as `Ledgers.ask` does. What is granted too late goes to `onLate`. */
  request(request: LeaseRequest): Promise<Leased>
}

export interface LeaseRequest {
  readonly terms: Terms
  claim(): LeaseClaim
  onLate(grant: Grant): void
}

/** The answer to one request. */
export interface Leased extends Omit<Trip<unknown>, 'answer'> {
  readonly answer: LeaseAnswer
  readonly grant: Grant
}

interface Waiting {
  readonly request: LeaseRequest
  resolve(leased: Leased): void
  reject(cause: unknown): void
}

/** More in one call would keep Redis from others for too long: each costs it some 5 microseconds. */
const mostInACall = 64

export function createLeaseRequests(ledgers: Ledgers): LeaseRequests {
  let waiting: Waiting[] = []

  function send(): void {
    const sent = waiting
    waiting = []
    if (sent.length > 0) void ask(sent)
  }

  async function ask(sent: readonly Waiting[]): Promise<void> {
    const claims = sent.map(({ request }) => request.claim())
    const grantOf = (i: number, { postmark, answers }: LeaseAnswers): Grant => {
      const { requestId, run, epoch } = postmark
      const { granted, place } = answers[i] as LeaseAnswer
      const { terms } = (sent[i] as Waiting).request
      const { ledger } = claims[i] as LeaseClaim
      return { ledgerKey: ledger, id: `${requestId}.${i}`, place, tokens: granted, run, epoch, terms }
    }
    try {
      const trip = await ledgers.ask(
        (redis, preamble) => lease(redis, ledgers.record, preamble, claims),
        (late) => sent.forEach(({ request }, i) => request.onLate(grantOf(i, late))),
      )
      const { datedAt, datedAtWall, stepped } = trip
      sent.forEach(({ resolve }, i) => {
        const answer = trip.answer.answers[i] as LeaseAnswer
        resolve({ answer, grant: grantOf(i, trip.answer), datedAt, datedAtWall, stepped })
      })
    } catch (cause) {
      for (const { reject } of sent) reject(cause)
    }
  }

  return {
    request(request) {
      return new Promise((resolve, reject) => {
        waiting.push({ request, resolve, reject })
        if (waiting.length === 1) setImmediate(send)
        else if (waiting.length === mostInACall) send()
      })
    },
  }
}
