/**
 * The local way to a running primary: a Unix socket in the data directory that only its user can open. One JSON
 * object a line; each request is answered by any number of lines `{"progress": …}` and then one line with `ok`.
 *
 * Whatever arrives, the primary goes on: lines are bounded, so is the number of those who talk, and somebody who
 * says nothing is sent away.
 */
import { once } from 'node:events'
import { chmod, mkdtemp, rm, symlink } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Service } from '../../shared/lifecycle.ts'
import type { Logger } from '../../shared/log.ts'
import type { Control } from './control.ts'
import { refusal, type ControlAnswer } from './control-request.ts'
import type { Progress } from './supervisor.ts'

export interface ControlSocketOptions {
  readonly dataDir: string
  readonly control: Pick<Control, 'answer'>
  readonly log: Logger
  readonly idleMs?: number
}

export type ControlLine = { readonly progress: Progress } | ControlAnswer

const longestLine = 4_096
/** Read at once; a client waits for its answers. */
const mostLines = 32
const mostConnections = 32
/** What the address of a Unix socket may have in bytes, by the smallest of the systems (macOS). */
const longestPath = 103

export function controlSocketPath(dataDir: string): string {
  return path.join(dataDir, 'control.sock')
}

/** To be started by whoever holds the data directory: a socket that is there already is a dead one. */
export function serveControl({ dataDir, control, log, idleMs = 30_000 }: ControlSocketOptions): Service {
  const connections = new Set<Socket>()
  const file = controlSocketPath(dataDir)
  let elsewhere: string | null = null
  const server = createServer((socket) => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
    converse(socket, control, idleMs)
  })
  server.maxConnections = mostConnections

  /** A path that is too long for a socket becomes a link to one with a short path. */
  async function place(): Promise<string> {
    await rm(file, { force: true })
    if (Buffer.byteLength(file) <= longestPath) return file
    elsewhere = await mkdtemp(path.join(tmpdir(), 'lockstep-control-'))
    const short = controlSocketPath(elsewhere)
    await symlink(short, file)
    return short
  }

  return {
    async start() {
      const address = await place()
      server.listen(address)
      await once(server, 'listening')
      await chmod(address, 0o600)
      server.on('error', (err) => log.error({ err }, 'the control socket does not listen any more'))
    },
    async stop() {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      for (const socket of connections) {
        socket.end(lineOf(refusal('stopping', 'the server is stopping')), () => socket.destroy())
      }
      await closed
      await rm(file, { force: true })
      if (elsewhere !== null) await rm(elsewhere, { recursive: true, force: true })
    },
  }
}

/** Answers the requests of one connection, one after the other. */
function converse(socket: Socket, control: Pick<Control, 'answer'>, idleMs: number): void {
  let unread = ''

  function send(line: ControlLine): void {
    if (socket.writable) socket.write(lineOf(line))
  }

  function hangUp(problem: string): void {
    socket.removeAllListeners('data')
    socket.end(lineOf(refusal('invalid', problem)), () => socket.destroy())
  }

  async function reply(line: string): Promise<void> {
    socket.setTimeout(0)
    const request = parsed(line)
    send(
      request === undefined
        ? refusal('invalid', 'not a JSON object on one line')
        : await control.answer(request, (progress) => send({ progress })),
    )
    socket.setTimeout(idleMs)
  }

  /** Nothing more is read before these are answered. */
  async function replyToAll(lines: readonly string[]): Promise<void> {
    socket.pause()
    for (const line of lines) await reply(line)
    socket.resume()
  }

  socket.setEncoding('utf8')
  socket.setTimeout(idleMs, () => socket.destroy())
  // Whoever asked has gone; what was asked for is done all the same.
  socket.on('error', () => socket.destroy())
  socket.on('data', (text: string) => {
    const lines = (unread + text).split('\n')
    unread = lines.pop() ?? ''
    if (lines.length > mostLines || [unread, ...lines].some((line) => line.length > longestLine)) {
      return hangUp(`at most ${mostLines} lines at once, of at most ${longestLine} characters`)
    }
    void replyToAll(lines.filter((line) => line.trim() !== ''))
  })
}

function parsed(line: string): object | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

function lineOf(line: ControlLine): string {
  return `${JSON.stringify(line)}\n`
}
