/**
 * Rooms across workers and hosts: what one process tells a channel, a user or a session reaches the streams and sockets
 * of all of them, through Redis.
 *
 * Without `replay` an event is delivered at most once: pub/sub forgets what no one listens to at that moment. With it
 * Redis keeps the last events of the channel, and each has an id: a client that comes back with the last id that it saw
 * gets what it missed, so it is told at least once; and a worker whose subscription broke reads what it missed by itself.
 *
 * Redis sends a worker only the channels that someone on it joined. What is told to users and sessions goes to every
 * worker, which picks its own.
 */
import type { Redis } from 'ioredis'
import { Unavailable } from '../kernel/errors.ts'
import type { Service } from '../kernel/lifecycle.ts'
import { hearFrom } from '../kernel/redis/subscriber-pulse.ts'
import { checkChannel, isAfter, parseEvent, parseMessage, type Arrived } from './room-event.ts'
import { roomKeys } from './room-keys.ts'

export type Listener = (event: Arrived) => void

export interface JoinOptions {
  /** The last event that is known already: what was kept since then is delivered first. */
  readonly after?: string | null
  /** Called when some of what came after it is not kept any more. */
  readonly onGap?: () => void
}

export interface Rooms extends Service {
  /** Delivers the events of a channel, in order, until the returned function is called. */
  join(channel: string, listener: Listener, options?: JoinOptions): Promise<() => void>
  /** Delivers what is told to the user, or to the session with this public id. */
  joinAs(who: { readonly user: string; readonly session: string }, listener: Listener): () => void
}

export interface RoomsOptions {
  readonly redis: Redis
  /** A connection for pub/sub alone. */
  readonly subscriber: Redis
  /** Applications that share a Redis use different names. */
  readonly prefix?: string
}

/** Events that are read at once when someone comes back. */
const batch = 200
const beginning = '0-0'

interface Room {
  readonly name: string
  readonly members: Set<Listener>
  /** Resolves when Redis sends us its events. */
  joined: Promise<void>
  /** The last event that all members have, so that a broken subscription can be made good. */
  last: string
  /** What arrived while that is being done; it comes after what was missed. */
  early: Arrived[] | null
}

export function openRooms(options: RoomsOptions): Rooms {
  const { redis, subscriber } = options
  const keys = roomKeys(options.prefix)
  const rooms = new Map<string, Room>()
  const people = new Map<string, Set<Listener>>()
  let running = false

  function onMessage(channel: string, text: string): void {
    if (channel === keys.people) return tellPeople(text)
    const arrived = parseMessage(text)
    const room = rooms.get(channel.slice(keys.room('').length))
    if (arrived === null || room === undefined) return
    if (room.early === null) pass(room, arrived)
    else room.early.push(arrived)
  }

  /** To all members, unless they have it. */
  function pass(room: Room, event: Arrived): void {
    if (event.id !== undefined) {
      if (!isAfter(event.id, room.last)) return
      room.last = event.id
    }
    tell(room.members, event)
  }

  function tellPeople(text: string): void {
    let who: unknown
    let written: unknown
    try {
      ;[who, written] = JSON.parse(text) as unknown[]
    } catch {
      return
    }
    const event = typeof written === 'string' ? parseEvent(written) : null
    if (typeof who === 'string' && event !== null) tell(people.get(who) ?? [], event)
  }

  function enter(name: string): Room {
    const known = rooms.get(name)
    if (known) return known
    const room: Room = { name, members: new Set(), joined: Promise.resolve(), last: beginning, early: null }
    rooms.set(name, room)
    room.joined = subscribe(room)
    room.joined.catch(() => rooms.delete(name))
    return room
  }

  async function subscribe(room: Room): Promise<void> {
    await subscriber.subscribe(keys.room(room.name))
    const [newest] = await redis.xrevrange(keys.log(room.name), '+', '-', 'COUNT', 1)
    if (newest && isAfter(newest[0], room.last)) room.last = newest[0]
  }

  function leave(room: Room, listener: Listener): void {
    if (!room.members.delete(listener) || room.members.size > 0) return
    rooms.delete(room.name)
    if (running) subscriber.unsubscribe(keys.room(room.name)).catch(() => {})
  }

  /** What was kept after an event, oldest first. */
  async function* keptAfter(name: string, id: string): AsyncGenerator<Arrived> {
    for (let after = id; ;) {
      const entries = await redis.xrange(keys.log(name), `(${after}`, '+', 'COUNT', batch)
      for (const [entryId, fields] of entries) {
        const event = parseEvent(fields[1] ?? '')
        if (event) yield { ...event, id: entryId }
        after = entryId
      }
      if (entries.length < batch) return
    }
  }

  async function isGap(name: string, after: string): Promise<boolean> {
    const [oldest] = await redis.xrange(keys.log(name), '-', '+', 'COUNT', 1)
    return oldest === undefined ? true : isAfter(oldest[0], after)
  }

  /** The subscription broke and is there again: what was kept meanwhile is told before what comes now. */
  async function catchUp(room: Room): Promise<void> {
    if (room.early !== null) return
    const early: Arrived[] = (room.early = [])
    try {
      // Answered after the subscriptions have been made again.
      await hearFrom(subscriber)
      for await (const missed of keptAfter(room.name, room.last)) pass(room, missed)
    } finally {
      room.early = null
      for (const event of early) pass(room, event)
    }
  }

  function onReady(): void {
    // Broken once more: the next time finds what this one did not.
    for (const room of rooms.values()) catchUp(room).catch(() => {})
  }

  return {
    async join(channel, listener, { after = null, onGap = () => {} } = {}) {
      const room = enter(checkChannel(channel))
      const early: Arrived[] = []
      let last = after ?? beginning
      let live = after === null
      const member: Listener = (event) => {
        if (!live) early.push(event)
        else if (event.id === undefined || isAfter(event.id, last)) listener(event)
      }
      room.members.add(member)
      try {
        await room.joined
        if (after !== null) {
          if (await isGap(channel, after)) onGap()
          for await (const kept of keptAfter(channel, after)) {
            last = kept.id ?? last
            listener(kept)
          }
        }
      } catch (cause) {
        leave(room, member)
        throw new Unavailable('redis', { cause })
      }
      live = true
      for (const event of early) member(event)
      return () => leave(room, member)
    },

    joinAs({ user, session }, listener) {
      const names = [`user:${user}`, `session:${session}`]
      for (const name of names) {
        const members = people.get(name)
        if (members) members.add(listener)
        else people.set(name, new Set([listener]))
      }
      return () => {
        for (const name of names) {
          const members = people.get(name)
          members?.delete(listener)
          if (members?.size === 0) people.delete(name)
        }
      }
    },

    async start() {
      running = true
      subscriber.on('message', onMessage)
      subscriber.on('ready', onReady)
      await subscriber.subscribe(keys.people)
    },
    async stop() {
      running = false
      subscriber.off('message', onMessage)
      subscriber.off('ready', onReady)
    },
  }
}

function tell(listeners: Iterable<Listener>, event: Arrived): void {
  for (const listener of Array.from(listeners)) listener(event)
}
