/**
 * The connections of an HTTP server, watched so that it can stop without losing a request. `server.close()` alone would
 * lose some: it cuts idle connections at once, and the next request of one of them may be on the wire. So stopping goes
 * in steps: no new connections; every answer from now on says `Connection: close`; connections that stay idle are closed
 * after a while; and all of them at the deadline.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import { remaining, type Deadline } from '../../shared/kernel/lifecycle.ts'
import { endConnection, keepForNext } from './end-connection.ts'

export interface Connections {
  /** To be called for each request before anything else is done about it. */
  asked(req: IncomingMessage, res: ServerResponse): void
  /** The answer to the last request of a connection, under way or not. */
  lastAnswer(socket: Socket): ServerResponse | undefined
  /** The connection speaks another protocol from now on, and is ended by those who speak it. */
  left(socket: Socket): void
  /** Refuses new connections, answers what comes on the others, and resolves when all have closed. */
  drain(deadline: Deadline): Promise<void>
}

/** While stopping, how long an idle connection may still send a request. */
export const usualIdleGraceMs = 2_000

export function watchConnections(server: Server, idleGraceMs = usualIdleGraceMs): Connections {
  /** Undefined where nothing was asked yet. */
  const answers = new Map<Socket, ServerResponse | undefined>()
  let stopping = false

  function open(socket: Socket): void {
    answers.set(socket, undefined)
    socket.once('close', () => answers.delete(socket))
  }
  server.on('connection', open)

  return {
    asked(req, res) {
      const { socket } = req
      if (stopping) keepForNext(answers.get(socket))
      // One that was there before this server was watched.
      if (!answers.has(socket)) open(socket)
      answers.set(socket, res)
      if (stopping) endConnection(socket, answers, idleGraceMs)
    },
    lastAnswer: (socket) => answers.get(socket),
    left: (socket) => void answers.delete(socket),
    async drain(deadline) {
      stopping = true
      const closed = stopListening(server)
      for (const socket of answers.keys()) endConnection(socket, answers, idleGraceMs)
      const finalCut = setTimeout(() => {
        for (const socket of answers.keys()) socket.destroy()
      }, remaining(deadline))
      await closed
      clearTimeout(finalCut)
    },
  }
}

/** Refuses new connections and leaves the others alone; resolves when the last of them has closed. */
function stopListening(server: Server): Promise<void> {
  return new Promise((resolve) => {
    NetServer.prototype.close.call(server, () => resolve())
  })
}
