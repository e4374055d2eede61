/**
 * Server-sent events on the wire (https://html.spec.whatwg.org/multipage/server-sent-events.html): how an event is
 * written, and what is said at the end of a stream.
 */
import type { StreamEvent } from '../../../shared/app/stream.ts'

export const eventStreamType = 'text/event-stream'

/** One event. Its data may have several lines; its id and type are one line, or the field would end there. */
export function formatEvent({ data, id, event }: StreamEvent): string {
  const fields = [
    ...(id === undefined ? [] : [`id: ${oneLine('id', id)}`]),
    ...(event === undefined ? [] : [`event: ${oneLine('event', event)}`]),
    ...data.split(/\r\n|\r|\n/).map((line) => `data: ${line}`),
  ]
  return `${fields.join('\n')}\n\n`
}

/** Clients and proxies ignore it, and keep the connection. */
export const heartbeat = ':\n\n'

/** Tells the client when to come back. */
export function formatRetry(ms: number): string {
  return `retry: ${Math.round(ms)}\n\n`
}

/** Whether the client takes a stream of events; one that says nothing takes everything. */
export function acceptsEventStream(accept: string | undefined): boolean {
  if (accept === undefined) return true
  return accept
    .split(',')
    .map((range) => range.split(';', 1)[0]?.trim().toLowerCase())
    .some((range) => range === eventStreamType || range === 'text/*' || range === '*/*')
}

function oneLine(field: string, text: string): string {
  if (/[\r\n\0]/.test(text)) throw new TypeError(`the ${field} of an event must be one line`)
  return text
}
