/**
 * The people who use the cluster, and the watchers who note what they see. Everything is sent on a fresh connection
 * and, apart from the steps of one person's story, in an open loop: nobody waits for a worker that hangs, so that
 * requests are waiting for it when it comes back.
 */
import { get, request } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import type { ChaosEvent } from './history.ts'
import type { Random } from './random.ts'
import { onOurClock } from './shared-clock.ts'
import type { ChaosTarget, Credentials, Door } from './target.ts'

export interface Phase {
  readonly name: 'busy' | 'quiet'
  /** How many people are at it at the same time. */
  readonly people: number
  /** What one does nothing for between two sessions, at most. */
  readonly pauseMs: number
}

/** How much the clients do. */
export interface Load {
  readonly phases: readonly Phase[]
  /** Somebody reads with a session of anybody's, this often. */
  readonly readEveryMs: number
}

/** Many logouts a second hide a worker that fails to renew; few hide one that fails to keep up. */
const usualLoad: Load = {
  phases: [
    { name: 'busy', people: 32, pauseMs: 600 },
    { name: 'quiet', people: 1, pauseMs: 1_500 },
  ],
  readEveryMs: 10,
}

const probeDelaysMs = [0, 15, 60, 200, 600, 1_500]
const readPatienceMs = 6_000
const revokePatienceMs = 15_000
const residents = 3

interface Reply {
  readonly status: number
  readonly body: string
  /** Which worker it was, when it tells. */
  readonly worker: string | undefined
  readonly sentAt: number
  readonly receivedAt: number
}

interface Call {
  readonly token?: string
  readonly body?: unknown
  readonly patienceMs?: number
  /** Send the last byte of the body only after this time. */
  readonly slowMs?: number
}

export function createClients(target: ChaosTarget, random: Random, { phases, readEveryMs } = usualLoad) {
  const history: ChaosEvent[] = []
  const inUse = new Set<string>()
  const underWay = new Set<Promise<unknown>>()

  /** Lets something happen by itself; `settled` waits for it. */
  function inBackground(work: Promise<unknown>): void {
    underWay.add(work)
    void work.finally(() => underWay.delete(work))
  }

  async function use(door: Door, token: string, what: 'read' | 'probe' | 'write', call: Call = {}) {
    const [method, path] = what === 'write' ? ['PATCH', '/api/v1/session'] : ['GET', '/api/v1/auth/me']
    const reply = await send(door, method!, path!, { ...call, token })
    const { status, worker = door.name, sentAt, receivedAt } = reply
    history.push({ kind: 'use', session: token, worker, what, sentAt, receivedAt, status })
    return status
  }

  /** Signs in, trying again for a while. Null when it was not to be had. */
  async function signIn(user: Credentials): Promise<string | null> {
    for (let attempt = 0; attempt < 5; attempt++) {
      const door = random.pick(target.doors())
      if (door) {
        const body = { ...user, transport: 'token' }
        const {
          status,
          body: text,
          sentAt,
          receivedAt,
        } = await send(door, 'POST', '/api/v1/auth/login', { body })
        if (status === 200) {
          const { token } = JSON.parse(text) as { token: string }
          history.push({ kind: 'login', session: token, user: user.email, sentAt, receivedAt })
          inUse.add(token)
          return token
        }
      }
      await wait(100 + random.below(200))
    }
    return null
  }

  /** Asks for the end of a session, or of all of its user's, until that is confirmed or patience is over. */
  async function revoke(user: Credentials, token: string, all: boolean): Promise<boolean> {
    for (let attempt = 0; attempt < 3; attempt++) {
      const door = random.pick(target.doors())
      if (door) {
        const path = all ? '/api/v1/auth/logout-all' : '/api/v1/auth/logout'
        const call = { token, body: all ? {} : undefined, patienceMs: revokePatienceMs }
        const { status, sentAt, receivedAt } = await send(door, 'POST', path, call)
        const confirmed = status === 200 || status === 204
        const session = all ? {} : { session: token }
        history.push({ kind: 'revoke', user: user.email, ...session, sentAt, receivedAt, confirmed })
        // All sessions ended, but the reply was lost: the token can't ask again.
        if (confirmed || status === 401) return confirmed
      }
      await wait(random.below(300))
    }
    return false
  }

  /** Asks every worker, at once and again later, whether it accepts what is dead. */
  function probe(token: string): void {
    for (const delayMs of probeDelaysMs) {
      inBackground(
        wait(delayMs).then(() =>
          Promise.all(target.doors().map((door) => use(door, token, 'probe', patient))),
        ),
      )
    }
  }

  /** Watches a stream of the session on some worker until it ends, or `close` is called. Never rejects. */
  function watch(session: string, close: AbortSignal): Promise<void> {
    const door = random.pick(target.doors())
    if (!door) return Promise.resolve()
    return openFeed(door, session, close, (worker, sentAt, kind) => {
      history.push({ kind, session, worker, sentAt, receivedAt: performance.now() })
    })
  }

  /** One person's visit, from login to logout. */
  async function visit(): Promise<void> {
    const user = target.takeUser()
    if (!user) return
    const tokens: string[] = []
    let end = () => {}
    const over = new Promise<void>((resolve) => (end = resolve))
    try {
      const all = random.chance(0.3)
      for (let device = 0; device < (all ? 2 : 1); device++) {
        const token = await signIn(user)
        if (token) tokens.push(token)
      }
      const own = tokens[0]
      if (own === undefined) return
      const leaving = new AbortController()
      for (const token of [own, ...tokens]) inBackground(watch(token, leaving.signal))
      // What is sent on after the end shows soon.
      inBackground(over.then(() => wait(watchedOnMs)).then(() => leaving.abort()))
      const looks = target.doors().flatMap((door) => tokens.map((token) => use(door, token, 'read', patient)))
      inBackground(Promise.all(looks))
      // Leaving at once meets loads that are under way; staying a while, sessions that every worker holds.
      if (random.chance(0.6)) await wait(50 + random.below(400))
      if (random.chance(0.5)) {
        const door = random.pick(target.doors())
        const body = { note: random.below(1_000) }
        if (door) inBackground(use(door, own, 'write', { ...patient, body, slowMs: 100 + random.below(800) }))
      }
      const confirmed = await revoke(user, own, all)
      if (confirmed) tokens.forEach(probe)
    } finally {
      end()
      for (const token of tokens) inUse.delete(token)
      target.handBack(user)
    }
  }

  /** Somebody who stays signed in all the time, and must never be thrown out. */
  async function reside(isOver: () => boolean): Promise<void> {
    const user = target.takeUser()
    while (user && !isOver()) {
      const token = await signIn(user)
      if (token !== null) inBackground(watchAll(token, isOver))
      while (token !== null && !isOver()) {
        const door = random.pick(target.doors())
        // Refused: right after a FLUSHALL, otherwise for the checker to complain of.
        if (door && (await use(door, token, 'read', { patienceMs: 1_500 })) === 401) break
        await wait(50)
      }
      if (token !== null) inUse.delete(token)
    }
    if (user) target.handBack(user)
  }

  /** A page that stays open: whenever its stream ends it comes back. */
  async function watchAll(token: string, isOver: () => boolean): Promise<void> {
    while (!isOver() && inUse.has(token)) {
      const turn = new AbortController()
      const over = setInterval(() => (isOver() || !inUse.has(token)) && turn.abort(), 100)
      await watch(token, turn.signal)
      clearInterval(over)
      await wait(200)
    }
  }

  async function readAlong(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      const door = random.pick(target.doors())
      const token = random.pick([...inUse])
      if (door && token) inBackground(use(door, token, 'read', patient))
      await wait(readEveryMs)
    }
  }

  async function comeAndGo({ pauseMs }: Phase, isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await visit()
      await wait(random.below(pauseMs))
    }
  }

  return {
    history,
    /**
     * Clients are at it, one phase after the other, each for an equal part of the time, or until `isOver`. Resolves
     * when every request is answered or given up.
     */
    async run(durationMs: number, isOver: () => boolean): Promise<void> {
      const steady = [readAlong(isOver), ...Array.from({ length: residents }, () => reside(isOver))]
      const turns = [...phases, ...phases]
      const turnMs = durationMs / turns.length
      for (const phase of turns) {
        const end = performance.now() + turnMs
        const turnIsOver = () => isOver() || performance.now() >= end
        await Promise.all(Array.from({ length: phase.people }, () => comeAndGo(phase, turnIsOver)))
      }
      await Promise.all(steady)
      while (underWay.size > 0) await Promise.all(underWay)
    },
  }
}

/** How long a stream is watched after its session was to end: a worker that hangs comes back within that. */
const watchedOnMs = 3_500

/** One stream of events, each of which is the time at which its worker sent it. */
function openFeed(
  door: Door,
  token: string,
  close: AbortSignal,
  arrived: (worker: string, sentAt: number, kind: 'delivery' | 'stream end') => void,
): Promise<void> {
  return new Promise((resolve) => {
    if (close.aborted) return resolve()
    const outgoing = get({
      host: '127.0.0.1',
      port: door.port,
      path: '/feed',
      agent: false,
      signal: close,
      headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' },
    })
    outgoing.on('error', () => resolve())
    outgoing.on('response', (incoming) => {
      const worker = incoming.headers['x-worker']?.toString() ?? door.name
      let rest = ''
      incoming.setEncoding('utf8')
      incoming.on('error', () => resolve())
      incoming.on('close', () => resolve())
      incoming.on('data', (part: string) => {
        const lines = (rest + part).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) {
          if (line === 'event: session-ended') arrived(worker, performance.now(), 'stream end')
          const stamp = /^data: ([\d.]+)$/.exec(line)?.[1]
          if (stamp !== undefined) arrived(worker, onOurClock(Number(stamp)), 'delivery')
        }
      })
    })
  })
}

const patient: Call = { patienceMs: readPatienceMs }

/** One request on a connection of its own. Never rejects: status 0 when there is no answer in time. */
function send(door: Door, method: string, path: string, call: Call): Promise<Reply> {
  const { token, body, patienceMs = readPatienceMs, slowMs = 0 } = call
  const text = body === undefined ? '' : JSON.stringify(body)
  return new Promise((resolve) => {
    let status = 0
    let answer = ''
    const sentAt = performance.now()
    let worker: string | undefined
    const outgoing = request({
      host: '127.0.0.1',
      port: door.port,
      method,
      path,
      agent: false,
      signal: AbortSignal.timeout(patienceMs),
      headers: {
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...(text ? { 'content-type': 'application/json' } : {}),
        ...(method === 'GET' ? {} : { 'content-length': text.length }),
      },
    })
    const done = (final: number) =>
      resolve({ status: final, body: answer, worker, sentAt, receivedAt: performance.now() })
    outgoing.on('error', () => done(0))
    outgoing.on('response', (incoming) => {
      status = incoming.statusCode ?? 0
      worker = incoming.headers['x-worker']?.toString()
      incoming.setEncoding('utf8')
      incoming.on('data', (part: string) => (answer += part))
      incoming.on('end', () => done(status))
      incoming.on('error', () => done(0))
    })
    outgoing.write(text.slice(0, -1))
    if (slowMs === 0) outgoing.end(text.slice(-1))
    else setTimeout(() => outgoing.end(text.slice(-1)), slowMs)
  })
}
