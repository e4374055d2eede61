/**
 * A discrete-event simulation of one coherence domain: one Redis, whose single thread serves commands in order, members
 * that acknowledge, and revokers that look. The costs are those that `bench:coherence` measured; nothing here is timed.
 *
 * Redis works in rounds, as its event loop does: what has arrived by the beginning of a round is served in it, each
 * round with an overhead of its own, so that a busy Redis is cheaper for each command than a quiet one. A member has one
 * renewal in flight; announcements that reach it meanwhile are acknowledged by the next, together.
 */
export interface Costs {
  /** Microseconds of Redis for one round of its event loop. */
  readonly roundUs: number
  readonly syncUs: number
  /** One revocation: the script, and its growth with the members. */
  readonly revokeUs: number
  readonly revokeMemberUs: number
  /** Handing an announcement to one member. */
  readonly publishUs: number
  /** One look at the acknowledgements, and its growth with those that are missing. */
  readonly lookUs: number
  readonly lookMissingUs: number
}

export interface Domain {
  readonly members: number
  readonly revocationsPerSecond: number
  /** Processes that revoke. What waits in one of them shares its looks. */
  readonly revokers: number
  /** One way between a host and Redis, on average. */
  readonly networkMs: number
  /** What the event loop of a process takes to look at what arrived: an announcement, or an answer of Redis. */
  readonly memberMs: number
  readonly renewEveryMs: number
  readonly seconds: number
  readonly costs: Costs
}

export interface Outcome {
  /** The share of a core that Redis works; 1 is saturated. */
  readonly redisLoad: number
  readonly redisUsPerEvent: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** False when work piles up: there are more revocations than can be confirmed. */
  readonly keepsUp: boolean
}

/** As the revoker waits between its looks. */
const lookAfterMs = [1, 2, 4, 8, 16]

/** A revocation that waits for a look. */
interface Wanted {
  readonly mine: number
  seen(at: number, confirmed: boolean): void
}

interface Command {
  readonly costUs: number
  readonly served: (at: number) => void
}

export function simulate(domain: Domain, random: () => number): Outcome {
  const { members, costs, seconds } = domain
  const endsAt = seconds * 1_000
  const agenda = createAgenda()
  const waiting: Command[] = []
  let working = false
  let workedUs = 0
  let events = 0
  let sequence = 0
  const latencies: number[] = []
  /** For each member the number up to which it has acknowledged, as Redis knows it. */
  const acknowledged = new Float64Array(members)
  const heard = new Float64Array(members)
  const syncing = new Uint8Array(members)
  const looking = new Uint8Array(domain.revokers)
  const wanted: Wanted[][] = Array.from({ length: domain.revokers }, () => [])

  const oneWay = () => domain.networkMs * (0.5 + random())

  function send(now: number, command: Command): void {
    agenda.at(now + oneWay(), () => {
      waiting.push(command)
      if (!working) work()
    })
  }

  /** One round. */
  function work(): void {
    working = true
    const round = waiting.splice(0)
    let us = costs.roundUs
    for (const { costUs } of round) us += costUs
    workedUs += us
    agenda.at(agenda.now() + us / 1_000, () => {
      working = false
      for (const { served } of round) served(agenda.now())
      if (waiting.length > 0 && !working) work()
    })
  }

  function sync(member: number, now: number): void {
    if (syncing[member] === 1) return
    syncing[member] = 1
    const upTo = heard[member] ?? 0
    send(now, {
      costUs: costs.syncUs,
      served(at) {
        acknowledged[member] = Math.max(acknowledged[member] ?? 0, upTo)
        agenda.at(at + oneWay() + domain.memberMs * (0.5 + random()), () => {
          syncing[member] = 0
          if ((heard[member] ?? 0) > upTo) sync(member, agenda.now())
        })
      },
    })
  }

  function revoke(): void {
    const began = agenda.now()
    events++
    send(began, {
      costUs: costs.revokeUs + members * (costs.revokeMemberUs + costs.publishUs),
      served(at) {
        const mine = ++sequence
        // Heard together: one write each, in one round.
        const arrives = at + oneWay() + domain.memberMs * (0.5 + random())
        agenda.at(arrives, () => {
          for (let member = 0; member < members; member++) {
            if ((heard[member] ?? 0) < mine) heard[member] = mine
            sync(member, agenda.now() + domain.memberMs * random())
          }
        })
        const revoker = Math.floor(random() * domain.revokers)
        agenda.at(at + oneWay(), () => look(revoker, mine, began, 0))
      },
    })
  }

  function look(revoker: number, mine: number, began: number, attempt: number): void {
    const wait = lookAfterMs[Math.min(attempt, lookAfterMs.length - 1)] ?? 16
    agenda.at(agenda.now() + wait, () => {
      wanted[revoker]?.push({
        mine,
        seen(at, confirmed) {
          if (confirmed) latencies.push(at - began)
          else look(revoker, mine, began, attempt + 1)
        },
      })
      lookTogether(revoker)
    })
  }

  /** One look of a process at a time; who asks meanwhile is in the next. */
  function lookTogether(revoker: number): void {
    const asked = wanted[revoker] ?? []
    if (looking[revoker] === 1 || asked.length === 0) return
    looking[revoker] = 1
    wanted[revoker] = []
    const furthest = Math.max(...asked.map(({ mine }) => mine))
    let missing = 0
    for (let member = 0; member < members; member++) if ((acknowledged[member] ?? 0) < furthest) missing++
    send(agenda.now(), {
      costUs: costs.lookUs + missing * costs.lookMissingUs,
      served(at) {
        let slowest = Infinity
        for (let member = 0; member < members; member++)
          slowest = Math.min(slowest, acknowledged[member] ?? 0)
        const answered = at + oneWay() + domain.memberMs * (0.5 + random())
        agenda.at(answered, () => {
          looking[revoker] = 0
          for (const { mine, seen } of asked) seen(answered, slowest >= mine)
          lookTogether(revoker)
        })
      },
    })
  }

  for (let at = 0; at < endsAt; at += 1_000 / domain.revocationsPerSecond) {
    agenda.at(at + random() / domain.revocationsPerSecond, revoke)
  }
  for (let member = 0; member < members; member++) {
    for (let at = random() * domain.renewEveryMs; at < endsAt; at += domain.renewEveryMs) {
      agenda.at(at, () => sync(member, agenda.now()))
    }
  }
  agenda.runUntil(endsAt)

  latencies.sort((a, b) => a - b)
  const at = (share: number) =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? Infinity
  return {
    redisLoad: workedUs / 1_000 / endsAt,
    redisUsPerEvent: workedUs / Math.max(events, 1),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    // What began in the last moments has not ended yet.
    keepsUp: latencies.length >= events * 0.9,
  }
}

/** What happens when, in order: a binary heap. */
function createAgenda() {
  const times: number[] = []
  const calls: (() => void)[] = []
  let now = 0

  function swap(a: number, b: number): void {
    ;[times[a], times[b]] = [times[b] as number, times[a] as number]
    ;[calls[a], calls[b]] = [calls[b] as () => void, calls[a] as () => void]
  }

  function next(): (() => void) | undefined {
    const last = times.length - 1
    if (last < 0) return undefined
    swap(0, last)
    now = times.pop() as number
    const call = calls.pop()
    for (let parent = 0; ;) {
      const left = 2 * parent + 1
      if (left >= times.length) return call
      const right = left + 1
      const child = right < times.length && (times[right] as number) < (times[left] as number) ? right : left
      if ((times[child] as number) >= (times[parent] as number)) return call
      swap(child, parent)
      parent = child
    }
  }

  return {
    now: () => now,
    at(time: number, call: () => void): void {
      times.push(Math.max(time, now))
      calls.push(call)
      for (let child = times.length - 1; child > 0;) {
        const parent = (child - 1) >> 1
        if ((times[parent] as number) <= (times[child] as number)) return
        swap(parent, child)
        child = parent
      }
    },
    runUntil(end: number): void {
      while (times.length > 0 && (times[0] as number) <= end) next()?.()
    },
  }
}
