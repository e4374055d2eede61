/**
 * What the clients saw, and what it proves. All times are of the one process that all clients run in: an operation
 * was certainly not begun before `sentAt` and certainly over at `receivedAt`.
 */

export type ChaosEvent =
  /** A session came into being; `receivedAt` is when its token was in the client's hands. */
  | {
      readonly kind: 'login'
      readonly session: string
      readonly user: string
      readonly sentAt: number
      readonly receivedAt: number
    }
  /** A request with the token of a session. `status` 0: no answer (time-out, connection lost). */
  | {
      readonly kind: 'use'
      readonly session: string
      readonly worker: string
      readonly what: string
      readonly sentAt: number
      readonly receivedAt: number
      readonly status: number
    }
  /** An event of a stream: `sentAt` is when its worker decided to send it, by the clock of the machine. */
  | {
      readonly kind: 'delivery'
      readonly session: string
      readonly worker: string
      readonly sentAt: number
      readonly receivedAt: number
    }
  /** A stream was told that its session has ended. */
  | {
      readonly kind: 'stream end'
      readonly session: string
      readonly worker: string
      readonly sentAt: number
      readonly receivedAt: number
    }
  /** Someone asked for the end of one session, or of all of a user. `confirmed`: it was answered with success. */
  | {
      readonly kind: 'revoke'
      readonly user: string
      /** Absent: all sessions of the user. */
      readonly session?: string
      readonly sentAt: number
      readonly receivedAt: number
      readonly confirmed: boolean
    }
  /** All data of Redis was deleted. */
  | { readonly kind: 'flush'; readonly sentAt: number; readonly receivedAt: number }

export type Use = Extract<ChaosEvent, { kind: 'use' }>
export type Delivery = Extract<ChaosEvent, { kind: 'delivery' }>

export interface Verdict {
  /** Accepted although sent after the success of a revocation was received. */
  readonly staleAccepts: readonly Use[]
  /** Sent on a stream after the success of a revocation was received. */
  readonly staleDeliveries: readonly Delivery[]
  /** Streams that were told of the end of a session that nobody had asked for. */
  readonly spuriousEnds: number
  readonly deliveries: number
  /** Streams that were told of the end of their session. */
  readonly streamEnds: number
  /** Refused although nobody had asked for the end of that session. */
  readonly spuriousRefusals: readonly Use[]
  readonly logins: number
  readonly confirmedRevocations: number
  readonly unconfirmedRevocations: number
  /** Uses of sessions that were alive for certain, and how many of them were accepted. */
  readonly usesAlive: number
  readonly acceptedAlive: number
  /** Refusals of sessions that were dead for certain. */
  readonly refusedDead: number
}

interface Life {
  readonly loginSentAt: number
  /** From when on no request may be accepted: the first success of a revocation. */
  deadFrom: number
  /** From when on it may be refused: the first request that might end it. */
  mayBeRefusedFrom: number
}

export function judge(history: readonly ChaosEvent[]): Verdict {
  const lives = new Map<string, Life>()
  const sessionsOf = new Map<string, { session: string; sentAt: number; receivedAt: number }[]>()
  for (const event of history) {
    if (event.kind !== 'login') continue
    lives.set(event.session, { loginSentAt: event.sentAt, deadFrom: Infinity, mayBeRefusedFrom: Infinity })
    const siblings = sessionsOf.get(event.user) ?? []
    sessionsOf.set(event.user, siblings)
    siblings.push(event)
  }

  let confirmedRevocations = 0
  let unconfirmedRevocations = 0
  for (const event of history) {
    if (event.kind === 'flush') {
      for (const life of lives.values())
        if (life.loginSentAt <= event.receivedAt) refusable(life, event.sentAt)
    }
    if (event.kind !== 'revoke') continue
    if (event.confirmed) confirmedRevocations++
    else unconfirmedRevocations++
    for (const { session, sentAt, receivedAt } of sessionsOf.get(event.user) ?? []) {
      if (event.session !== undefined && event.session !== session) continue
      // One that is not confirmed may still take effect, at any time. A confirmed one spares later logins.
      if (event.confirmed && sentAt > event.receivedAt) continue
      const life = lives.get(session)!
      refusable(life, event.sentAt)
      // A login that was under way at the same time may have come after it.
      if (event.confirmed && receivedAt < event.sentAt)
        life.deadFrom = Math.min(life.deadFrom, event.receivedAt)
    }
  }

  const staleAccepts: Use[] = []
  const spuriousRefusals: Use[] = []
  const staleDeliveries: Delivery[] = []
  let usesAlive = 0
  let acceptedAlive = 0
  let refusedDead = 0
  let deliveries = 0
  let streamEnds = 0
  let spuriousEnds = 0
  for (const event of history) {
    if (event.kind === 'delivery') {
      deliveries++
      if (event.sentAt > (lives.get(event.session)?.deadFrom ?? Infinity)) staleDeliveries.push(event)
    }
    if (event.kind === 'stream end') {
      streamEnds++
      if (event.receivedAt < (lives.get(event.session)?.mayBeRefusedFrom ?? 0)) spuriousEnds++
    }
    const life = event.kind === 'use' ? lives.get(event.session) : undefined
    if (event.kind !== 'use' || life === undefined) continue
    const dead = event.sentAt > life.deadFrom
    const alive = event.receivedAt < life.mayBeRefusedFrom
    const accepted = event.status >= 200 && event.status < 300
    if (dead && accepted) staleAccepts.push(event)
    if (dead && event.status === 401) refusedDead++
    if (alive && event.status === 401) spuriousRefusals.push(event)
    if (alive) usesAlive++
    if (alive && accepted) acceptedAlive++
  }
  return {
    staleAccepts,
    staleDeliveries,
    spuriousRefusals,
    spuriousEnds,
    deliveries,
    streamEnds,
    logins: lives.size,
    confirmedRevocations,
    unconfirmedRevocations,
    usesAlive,
    acceptedAlive,
    refusedDead,
  }
}

function refusable(life: Life, from: number): void {
  life.mayBeRefusedFrom = Math.min(life.mayBeRefusedFrom, from)
}

/** All that happened to one session, in order, for whoever has to find out why. */
export function tellStory(history: readonly ChaosEvent[], session: string): string {
  const user = history.find((event) => event.kind === 'login' && event.session === session)
  return history
    .filter((event) => {
      if (event.kind === 'flush') return true
      if (event.kind === 'revoke' && event.session === undefined)
        return user?.kind === 'login' && event.user === user.user
      return event.session === session
    })
    .sort((a, b) => a.sentAt - b.sentAt)
    .map((event) => {
      const when = `${event.sentAt.toFixed(0)}..${event.receivedAt.toFixed(0)}`
      if (event.kind === 'delivery') return `${when} sent by ${event.worker}`
      if (event.kind === 'stream end') return `${when} end of a stream of ${event.worker}`
      if (event.kind === 'use') return `${when} ${event.what} on ${event.worker}: ${event.status}`
      if (event.kind === 'revoke')
        return `${when} revoke ${event.session ? 'it' : 'all'}: ${event.confirmed ? 'success' : 'unconfirmed'}`
      return `${when} ${event.kind}`
    })
    .join('\n')
}
