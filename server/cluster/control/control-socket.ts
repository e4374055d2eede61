/**
 * The local way to a running primary: a Unix socket in the data directory that only its user can open. One JSON
 * object a line; each request is answered by any number of lines `{"progress": …}` and then one line with `ok`.
 *
 * Whatever arrives, the primary goes on: lines are bounded, so is the number of those who talk, someone who says
 * nothing is sent away, and someone who does not read is not listened to either. A stop waits for no one.
 */
import { once } from 'node:events'
import { chmod, lstat, mkdtemp, readdir, readlink, rm, symlink } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { remaining, type Service } from '../../../shared/kernel/lifecycle.ts'
import type { Logger } from '../../../shared/telemetry/log.ts'
import type { Control } from './control.ts'
import { refusal, type ControlAnswer } from '../../../shared/process/control-request.ts'
import type { Progress } from '../supervision/supervisor.ts'

export interface ControlSocketOptions {
  readonly dataDir: string
  readonly control: Pick<Control, 'answer'>
  readonly log: Logger
  readonly idleMs?: number
  /** How old a directory must be to count as abandoned: one that was just made has a server that does not listen yet. */
  readonly settledMs?: number
}

export type ControlLine = { readonly progress: Progress } | ControlAnswer

const longestLine = 4_096
/** Read at once; a client waits for its answers. */
const mostLines = 32
const mostConnections = 32
/** What someone who is sent away has to read why. */
const farewellMs = 500
/** What the address of a Unix socket may have in bytes, by the smallest of the systems (macOS). */
const longestPath = 103

const directoryPrefix = 'lockstep-control-'
const ours = new RegExp(`^${directoryPrefix}[A-Za-z0-9]{6}$`)

export function controlSocketPath(dataDir: string): string {
  return path.join(dataDir, 'control.sock')
}

/** To be started by anyone who holds the data directory: a socket that is there already is a dead one. */
export function serveControl({
  dataDir,
  control,
  log,
  idleMs = 30_000,
  settledMs = 10_000,
}: ControlSocketOptions): Service {
  const connections = new Set<Socket>()
  const file = controlSocketPath(dataDir)
  let elsewhere: string | null = null
  let stopping: Promise<void> | null = null
  // Half open: who says nothing more, as a pipe that has been emptied, still gets the answers.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
    converse(socket, control, idleMs)
  })
  server.maxConnections = mostConnections

  /** A path that is too long for a socket becomes a link to one with a short path. */
  async function place(): Promise<string> {
    await removeLastOf(file)
    await rm(file, { force: true })
    if (Buffer.byteLength(file) <= longestPath) return file
    await removeAbandoned(settledMs)
    elsewhere = await mkdtemp(path.join(tmpdir(), directoryPrefix))
    const short = controlSocketPath(elsewhere)
    await symlink(short, file)
    return short
  }

  async function close(): Promise<void> {
    const closed = once(server, 'close')
    server.close()
    for (const socket of connections) sendAway(socket, refusal('stopping', 'the server is stopping'))
    await closed
    await rm(file, { force: true })
    if (elsewhere !== null) await rm(elsewhere, { recursive: true, force: true })
  }

  return {
    async start() {
      const address = await place()
      server.listen(address)
      await once(server, 'listening')
      await chmod(address, 0o600)
      server.on('error', (err) => log.error({ err }, 'the control socket does not listen any more'))
      stopping = null
    },
    async stop(deadline) {
      if (!server.listening && stopping === null) return
      // Each call has its own patience: a second one may have less.
      const patience = setTimeout(
        () => connections.forEach((socket) => socket.destroy()),
        remaining(deadline),
      )
      await (stopping ??= close()).finally(() => clearTimeout(patience))
    },
  }
}

/** Removes the directory that a server of this data directory left when it was killed. */
async function removeLastOf(file: string): Promise<void> {
  const target = await readlink(file).catch(() => '')
  const directory = path.dirname(target)
  if (path.dirname(directory) === tmpdir() && ours.test(path.basename(directory))) {
    await rm(directory, { recursive: true, force: true }).catch(() => {})
  }
}

/** Removes the directories of our user whose server was killed before it could. */
async function removeAbandoned(settledMs: number): Promise<void> {
  const names = await readdir(tmpdir()).catch(() => [])
  for (const name of names.filter((each) => ours.test(each))) {
    const directory = path.join(tmpdir(), name)
    const facts = await lstat(directory).catch(() => null)
    if (!facts?.isDirectory() || facts.uid !== process.getuid?.()) continue
    if (Date.now() - facts.ctimeMs < settledMs || (await isServed(controlSocketPath(directory)))) continue
    await rm(directory, { recursive: true, force: true }).catch(() => {})
  }
}

function isServed(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(address)
    const settle = (served: boolean) => {
      socket.destroy()
      resolve(served)
    }
    socket.once('connect', () => settle(true))
    socket.once('error', ({ code }: NodeJS.ErrnoException) =>
      settle(code !== 'ENOENT' && code !== 'ECONNREFUSED'),
    )
  })
}

/** Answers the requests of one connection, one after the other. */
function converse(socket: Socket, control: Pick<Control, 'answer'>, idleMs: number): void {
  let unread = ''
  let answering = Promise.resolve()
  const gone = new AbortController()

  function send(line: ControlLine): void {
    if (socket.writable) socket.write(lineOf(line))
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
    // One that does not read is idle, too.
    if (socket.writableNeedDrain) await once(socket, 'drain', { signal: gone.signal }).catch(() => {})
  }

  /** Nothing more is read before these are answered, and the answers are on their way. */
  async function replyToAll(lines: readonly string[]): Promise<void> {
    socket.pause()
    for (const line of lines) if (line.trim() !== '') await reply(line)
    socket.resume()
  }

  /** The end of what a client says is told even while it is not read. */
  function hear(lines: readonly string[]): Promise<void> {
    return (answering = answering.then(() => replyToAll(lines)))
  }

  socket.setEncoding('utf8')
  socket.setTimeout(idleMs, () => socket.destroy())
  // Whoever asked has gone; what was asked for is done all the same.
  socket.on('error', () => socket.destroy())
  socket.on('close', () => gone.abort())
  socket.on('data', (text: string) => {
    const lines = (unread + text).split('\n')
    unread = lines.pop() ?? ''
    if (lines.length > mostLines || [unread, ...lines].some((line) => line.length > longestLine)) {
      const bounds = `at most ${mostLines} lines at once, of at most ${longestLine} characters`
      socket.removeAllListeners('data')
      return sendAway(socket, refusal('invalid', bounds))
    }
    void hear(lines)
  })
  socket.on('end', () => void hear([unread]).then(() => socket.end()))
}

/** Closes the connection, with a last word that no one has to wait for. */
function sendAway(socket: Socket, lastWord: ControlAnswer): void {
  if (socket.writable) socket.write(lineOf(lastWord))
  socket.destroySoon()
  const patience = setTimeout(() => socket.destroy(), farewellMs)
  socket.once('close', () => clearTimeout(patience))
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
