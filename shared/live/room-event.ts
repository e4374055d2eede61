/** What goes through rooms, and how it is written on its way through Redis. */

/** What is told to everyone in a room. */
export interface RoomEvent {
  readonly data: string
  /** The type of the event for `EventSource`; `message` when left out. */
  readonly event?: string
}

/** An event that arrived; with an `id` when it can be asked for again. */
export interface Arrived extends RoomEvent {
  readonly id?: string
}

/** Who is told: everyone who joined a channel, or every stream and socket of a user or of one session (public id). */
export type Target = { readonly channel: string } | { readonly user: string } | { readonly session: string }

const usableChannel = /^[\w.:@/-]{1,128}$/

/** Throws `TypeError` for a name that is no channel: it may come from a request. */
export function checkChannel(name: string): string {
  if (usableChannel.test(name)) return name
  throw new TypeError('a channel is named by 1 to 128 letters, digits and the characters . : @ / _ -')
}

/** Redis numbers the events of a log by the time and a count: `1700000000000-0`. */
const eventId = /^(\d{1,15})-(\d{1,15})$/

/** Whether the text can be the id of an event that was kept; what a client sends back may be anything. */
export function isEventId(text: string): boolean {
  return eventId.test(text)
}

/** Whether the event `id` came after `other`. */
export function isAfter(id: string, other: string): boolean {
  const [, ms = '0', count = '0'] = eventId.exec(id) ?? []
  const [, otherMs = '0', otherCount = '0'] = eventId.exec(other) ?? []
  return Number(ms) > Number(otherMs) || (ms === otherMs && Number(count) > Number(otherCount))
}

export function writeEvent({ data, event }: RoomEvent): string {
  return JSON.stringify(event === undefined ? { data } : { data, event })
}

/** Null when it is none of ours. */
export function parseEvent(text: string): RoomEvent | null {
  const { data, event } = fieldsOf(text)
  if (typeof data !== 'string') return null
  if (event !== undefined && typeof event !== 'string') return null
  return event === undefined ? { data } : { data, event }
}

/** A message of a channel: `[id or null, event]`. */
export function parseMessage(text: string): Arrived | null {
  const [id, written] = listOf(text)
  const event = typeof written === 'string' ? parseEvent(written) : null
  if (event === null) return null
  return typeof id === 'string' && isEventId(id) ? { ...event, id } : event
}

function fieldsOf(text: string): Record<string, unknown> {
  const value = parsed(text)
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function listOf(text: string): readonly unknown[] {
  const value = parsed(text)
  return Array.isArray(value) ? (value as unknown[]) : []
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return null
  }
}
