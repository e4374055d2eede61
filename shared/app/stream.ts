/** Streams of events and WebSockets as data: what they are and who may open them, before anybody does. */
import type { AppContext } from './context.ts'
import type { Parts } from './parts.ts'
import { accessProblem, pathProblem, type Access } from './route.ts'

interface ConnectionDescription {
  /** Segments, of which those that begin with a colon are parameters. */
  readonly path: string
  readonly access: Access
  /** One line for the documentation. */
  readonly summary: string
  /** The policies that an opening is charged to, `api` when left out. Empty: not limited. */
  readonly limits?: readonly string[]
}

export interface StreamEvent {
  readonly data: string
  readonly id?: string
  readonly event?: string
}

/** What a stream is opened with. */
export interface StreamConnection {
  /** False when the client does not keep up and the event was not taken. */
  send(event: StreamEvent): boolean
  /** Aborted when the client is gone, its session has ended or the worker stops; `signal.reason` says which. */
  readonly signal: AbortSignal
  /** The last event that the client has seen, when it comes back. */
  readonly lastEventId: string | null
  /**
   * Sends on what is told to a channel (`broadcast`), until the stream ends. With `replay`, first what was kept since
   * `lastEventId`; an event `replay-gap` says that some of it is not there any more.
   */
  join(channel: string, options?: { readonly replay?: boolean }): Promise<void>
  /** Ends the stream. The client comes back by itself, unless it is told not to. */
  end(): void
}

export interface Stream extends ConnectionDescription {
  readonly open: (ctx: AppContext, stream: StreamConnection, parts: Parts) => unknown
}

/** What a socket is opened with. */
export interface SocketConnection {
  send(text: string): boolean
  close(code?: number, reason?: string): void
  onMessage(listener: (text: string) => void): void
  onClose(listener: (code: number) => void): void
  /** Sends on what is told to a channel (`broadcast`), until the socket closes. */
  join(channel: string): Promise<void>
  readonly signal: AbortSignal
}

export interface Socket extends ConnectionDescription {
  readonly open: (ctx: AppContext, socket: SocketConnection, parts: Parts) => unknown
}

/** Checks the declaration of a stream of server-sent events. Throws `TypeError` with everything that is wrong with it. */
export function defineStream(description: Stream): Stream {
  return checked('stream', description)
}

/** Checks the declaration of a WebSocket. Throws `TypeError` with everything that is wrong with it. */
export function defineSocket(description: Socket): Socket {
  return checked('socket', description)
}

function checked<D extends ConnectionDescription & { readonly open: unknown }>(
  kind: string,
  description: D,
): D {
  const { path, access, summary, open } = description
  const problems = [
    pathProblem(path),
    accessProblem(access),
    typeof summary === 'string' ? null : 'summary is a line for the documentation',
    typeof open === 'function' ? null : 'open must be a function',
  ].filter((problem) => problem !== null)
  if (problems.length > 0) throw new TypeError(`${kind} ${String(path)}: ${problems.join('; ')}`)
  return Object.freeze({ ...description })
}
