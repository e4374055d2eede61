/**
 * How a connection ends when its worker stops, without losing a request. What is under way is finished and says
 * `Connection: close`. A connection that is idle, or becomes so after its client was told that it stays open, may have
 * a request on the wire: it is closed when none has begun after a while.
 *
 * Node's `closeIdleConnections()` is no help. It cuts without waiting; to it a connection on which nothing was ever
 * asked is not idle, and one whose client has not read all of its answer is.
 */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** The answer to the last request of each connection, under way or not; undefined where nothing was asked yet. */
export type LastAnswers = ReadonlyMap<Socket, ServerResponse | undefined>

/** To be called for each connection when the server begins to stop, and for each request that comes after that. */
export function endConnection(socket: Socket, answers: LastAnswers, idleGraceMs: number): void {
  const last = answers.get(socket)
  if (last === undefined || last.writableFinished) closeIfIdle(socket, answers, idleGraceMs)
  else {
    closeAfter(last)
    // Its headers may have said before that the connection stays open.
    last.once('close', () => closeIfIdle(socket, answers, idleGraceMs))
  }
}

/** A request that is followed by another before it is answered must leave the connection to it. */
export function keepForNext(res: ServerResponse | undefined): void {
  if (res && !res.headersSent) res.shouldKeepAlive = true
}

/**
 * Closes the connection after the grace, unless a request has begun by then: it is answered, or if its headers do not
 * come, refused as always. What had come of a request before is not seen here; it has the grace for its next bytes.
 */
function closeIfIdle(socket: Socket, answers: LastAnswers, graceMs: number): void {
  const last = answers.get(socket)
  const bytes = last ? socket.bytesRead : 0
  // A request may be answered before it was read.
  const wasRead = last?.req.complete ?? true
  const close = () => {
    if (answers.get(socket) !== last) return
    if (socket.bytesRead === bytes) socket.destroy()
    else if (!wasRead) closeIfIdle(socket, answers, graceMs)
  }
  // Timers come before what the system has received in the meantime; that must be read first.
  setTimeout(() => setImmediate(close), graceMs).unref()
}

/** The connection closes when this answer is out, and the answer says so if its headers are not out yet. */
function closeAfter(res: ServerResponse): void {
  res.shouldKeepAlive = false
  if (isEventStream(res)) sendElsewhere(res)
  else if (!res.headersSent) onceBegun(res, () => isEventStream(res) && sendElsewhere(res))
}

/** Calls back when the headers of an answer are out, and with them what its handler writes in the same breath. */
function onceBegun(res: ServerResponse, begun: () => void): void {
  const writeHead = res.writeHead.bind(res) as (...head: unknown[]) => ServerResponse
  res.writeHead = (...head: unknown[]) => {
    process.nextTick(begun)
    return writeHead(...head)
  }
}

function isEventStream(res: ServerResponse): boolean {
  return (
    res.headersSent &&
    !res.writableEnded &&
    String(res.getHeader('content-type')).startsWith('text/event-stream')
  )
}

/** A stream of events would never end by itself. Its client comes back by itself, and then reaches another worker. */
function sendElsewhere(res: ServerResponse): void {
  const { socket } = res
  // Anyone who writes the events may not have noticed yet.
  res.on('error', () => {})
  res.end('retry: 1000\n\n', () => socket?.end())
}
