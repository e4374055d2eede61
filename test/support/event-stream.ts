/** A client of server-sent events that shows what arrived, field by field. */
import { get, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'

export interface ReceivedEvent {
  readonly event: string
  readonly data: string
  readonly id: string | null
}

export interface EventStreamClient {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Everything that arrived, as it was sent. */
  text(): string
  events(): ReceivedEvent[]
  /** The pause that it was told to take before it comes back. */
  retryMs(): number | null
  readonly ended: Promise<void>
  hasEnded(): boolean
  /** Stops and goes on reading. */
  pause(): void
  resume(): void
  close(): void
}

/** Resolves when the headers have arrived, whatever they say. */
export function openEventStream(
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<EventStreamClient> {
  return new Promise((resolve, reject) => {
    const request = get(
      url,
      { agent: false, headers: { Accept: 'text/event-stream', ...headers } },
      (response) => resolve(clientOf(response, () => request.destroy())),
    )
    request.on('error', reject)
  })
}

function clientOf(response: IncomingMessage, close: () => void): EventStreamClient {
  let text = ''
  let over = false
  response.setEncoding('utf8').on('data', (part: string) => (text += part))
  response.on('error', () => {})
  const ended = new Promise<void>((resolve) => {
    response.once('close', () => {
      over = true
      resolve()
    })
  })
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    text: () => text,
    events: () => text.split('\n\n').flatMap(parseEvent),
    retryMs: () => (/^retry: (\d+)$/m.test(text) ? Number(/^retry: (\d+)$/m.exec(text)?.[1]) : null),
    ended,
    hasEnded: () => over,
    pause: () => void response.pause(),
    resume: () => void response.resume(),
    close,
  }
}

function parseEvent(block: string): ReceivedEvent[] {
  const fields = block.split('\n').map((line) => /^(\w+): ?(.*)$/.exec(line) ?? [])
  const all = (name: string) => fields.filter(([, field]) => field === name).map(([, , value]) => value ?? '')
  if (all('data').length === 0) return []
  return [
    { event: all('event').at(-1) ?? 'message', data: all('data').join('\n'), id: all('id').at(-1) ?? null },
  ]
}
