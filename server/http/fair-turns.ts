/**
 * Fair turns for those who ask for more than one thing at a time, so that one client can't make all others wait.
 *
 * Node reads up to 64 KiB at once, which may be two thousand requests, and starts all of them before anybody else is
 * looked at; 120 such connections stalled a worker for half a minute and took a gigabyte. Here the first request of what
 * was read is served at once, as ever. Each further one waits for a turn, and with several under way until one of them is
 * out: a turn serves one request of each connection that waits, for some milliseconds, and then the event loop goes round,
 * so that what others have sent in the meantime comes first. While a connection waits it is not read, so that a client
 * that does not read its answers is sent no more than a few.
 *
 * Node's way of reading (the parser takes what arrives straight from the socket) can't be interrupted, and the way that
 * can costs a tenth more. So connections begin with the first, and all of a worker's are moved to the second as soon as
 * one of them is found greedy: from then on they are read in small pieces, and new ones too, until it has been quiet for
 * a minute. The price of being found out is one read of 64 KiB.
 *
 * An address with very many requests under way waits as well, and is refused when that takes too long.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export interface FairTurnsOptions {
  readonly handler: RequestListener
  /** Answers a request that waited too long for others of its address. */
  readonly refuse: RequestListener
  readonly addressOf: (req: IncomingMessage) => string
  /** One connection sends far more at once than it is answered. */
  readonly onGreedy: (address: string) => void
  readonly bounds?: Partial<typeof usualTurns>
}

export const usualTurns = {
  /** Requests that a connection may have sent before it was answered, until all are read in pieces. */
  tolerated: 8,
  /** Requests of a connection that are answered at the same time. */
  perConnection: 4,
  pieceBytes: 1_024,
  piecesForMs: 60_000,
  /** How long those who wait are served before the event loop goes round. */
  turnMs: 8,
  /** Requests of one address that are not answered yet. */
  perAddress: 512,
  /** The longest that a request waits for others of its address. */
  crowdedMs: 10_000,
  sweepMs: 5_000,
  /** How long an answer may wait for a client that takes nothing of it. */
  deafMs: 60_000,
  /** What may wait for a client that takes nothing at all. */
  deafBytes: 16 * 1024 * 1024,
}

export interface FairTurns {
  /** To be called for each new connection. */
  open(socket: Socket): void
  /** The listener for requests. */
  readonly serve: RequestListener
  start(): void
  stop(): void
}

interface Waiting {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly since: number
}

/** One connection. */
class Line {
  readonly socket: Socket
  /** How many of its requests are being answered. */
  underWay = 0
  /** The last of them that was begun. */
  last: IncomingMessage | null = null
  readonly waiting: Waiting[] = []
  /** What was received and is not parsed yet. */
  held: Buffer | null = null
  /** Hands bytes to Node's parser; null while the parser takes them by itself. */
  parse: ((bytes: Buffer) => void) | null = null
  /** How much had been read when the last request came: the next with the same number was in the same read. */
  bytesRead = -1
  queued = false
  paused = false
  delivered = 0
  deafLooks = 0

  constructor(socket: Socket) {
    this.socket = socket
  }
}

const lineOf = Symbol('line')
type LinedSocket = Socket & { [lineOf]?: Line; parser?: object | null }

export function createFairTurns(options: FairTurnsOptions): FairTurns {
  const { handler, refuse, addressOf, onGreedy } = options
  const bounds = { ...usualTurns, ...options.bounds }
  const lines = new Set<Line>()
  const crowd = createCrowd(bounds.perAddress)
  /** Those whose turn comes, in order. */
  let queue: Line[] = []
  let turnComes = false
  /** Those that wait for others of their address. */
  const parked = new Set<Line>()
  let piecesUntil = Number.NEGATIVE_INFINITY
  let sweeping: NodeJS.Timeout | undefined

  function open(socket: LinedSocket): void {
    const line = new Line(socket)
    socket[lineOf] = line
    lines.add(line)
    socket.once('close', () => close(line))
    if (performance.now() < piecesUntil) readInPieces(line)
  }

  function close(line: Line): void {
    lines.delete(line)
    parked.delete(line)
    line.waiting.length = 0
    line.held = null
  }

  function serve(req: IncomingMessage, res: ServerResponse): void {
    const line = (req.socket as LinedSocket)[lineOf] as Line
    const { bytesRead } = line.socket
    const alone = line.waiting.length === 0 && bytesRead !== line.bytesRead && hasRoom(line)
    line.bytesRead = bytesRead
    if (alone && (crowd.empty || !crowd.has(addressOf(req)))) return run(handler, line, req, res)
    line.waiting.push({ req, res, since: performance.now() })
    pause(line)
    if (line.parse === null && line.waiting.length > bounds.tolerated) foundGreedy(req)
    if (hasRoom(line)) enqueue(line)
  }

  function hasRoom(line: Line): boolean {
    return line.underWay < bounds.perConnection
  }

  function run(answer: RequestListener, line: Line, req: IncomingMessage, res: ServerResponse): void {
    answer(req, res)
    if (res.writableFinished) return
    line.underWay += 1
    line.last = req
    const address = addressOf(req)
    crowd.enter(address, res)
    res.once('close', () => {
      line.underWay -= 1
      crowd.leave(address, res)
      if (parked.size > 0) unpark()
      goOn(line)
    })
  }

  /** The connection has something to do, or can be read again. */
  function goOn(line: Line): void {
    if (line.waiting.length > 0 || line.held !== null) enqueue(line)
    else if (line.paused) {
      line.paused = false
      line.socket.resume()
    }
  }

  function pause(line: Line): void {
    if (line.paused) return
    line.paused = true
    line.socket.pause()
  }

  function enqueue(line: Line): void {
    if (line.queued) return
    line.queued = true
    queue.push(line)
    if (turnComes) return
    turnComes = true
    setImmediate(takeTurn)
  }

  function takeTurn(): void {
    turnComes = false
    const turn = queue
    queue = []
    const endsAt = performance.now() + bounds.turnMs
    let next = 0
    while (next < turn.length && performance.now() < endsAt) {
      const line = turn[next++] as Line
      line.queued = false
      if (!line.socket.destroyed) advance(line)
    }
    if (next < turn.length) queue = [...turn.slice(next), ...queue]
    if (queue.length === 0 || turnComes) return
    turnComes = true
    setImmediate(takeTurn)
  }

  /** One step of one connection: the next request, or the next pieces up to one. */
  function advance(line: Line): void {
    const [first] = line.waiting
    if (first !== undefined) {
      if (!hasRoom(line)) return
      if (!crowd.empty && crowd.has(addressOf(first.req))) return void parked.add(line)
      line.waiting.shift()
      run(handler, line, first.req, first.res)
    } else parseHeld(line)
    if (mayGoOn(line)) goOn(line)
  }

  /** One that has no room for another request may still send the rest of the last. */
  function mayGoOn(line: Line): boolean {
    return hasRoom(line) || (line.waiting.length === 0 && line.last?.complete === false)
  }

  function mayParse(line: Line): boolean {
    return line.waiting.length === 0 && mayGoOn(line)
  }

  function parseHeld(line: Line): void {
    while (line.held !== null && mayParse(line)) {
      const bytes = line.held
      const piece = bytes.subarray(0, bounds.pieceBytes)
      line.held = piece.length < bytes.length ? bytes.subarray(piece.length) : null
      line.parse?.(piece)
      // Refused: what follows bytes that are not HTTP can't be told apart either.
      if (!line.socket.writable) line.held = null
    }
  }

  function foundGreedy(req: IncomingMessage): void {
    piecesUntil = performance.now() + bounds.piecesForMs
    for (const each of lines) if (each.parse === null) readInPieces(each)
    onGreedy(addressOf(req))
  }

  /** A listener for data makes Node give up reading past the socket; its own listener takes what we hand on. */
  function readInPieces(line: Line): void {
    const socket = line.socket as LinedSocket
    const [listener] = socket.listeners('data') as ((bytes: Buffer) => void)[]
    // Not a connection of HTTP any more, or closing.
    if (listener === undefined || !socket.parser) return
    const receive = (bytes: Buffer): void => {
      const busy = line.held !== null || !mayParse(line)
      if (!busy && (bytes.length <= bounds.pieceBytes || queue.length === 0)) {
        line.held = bytes
        parseHeld(line)
      } else line.held = line.held === null ? bytes : Buffer.concat([line.held, bytes])
      if (line.held === null) return
      pause(line)
      if (mayGoOn(line)) enqueue(line)
    }
    line.parse = (bytes) => {
      listener(bytes)
      // Taken over by another protocol: what follows is not for the parser.
      if (!socket.parser && !socket.destroyed) handOver()
    }
    const handOver = (): void => {
      socket.removeListener('data', receive)
      const rest = line.held
      line.held = null
      line.parse = null
      if (rest !== null) socket.push(rest)
      if (line.paused) socket.resume()
    }
    socket.removeListener('data', listener)
    socket.on('data', receive)
    if (line.paused) socket.pause()
    // Reading past the socket has left it waiting for bytes that it never got: it would not ask for more.
    socket.push('')
  }

  function unpark(): void {
    for (const line of parked) {
      const [first] = line.waiting
      if (first !== undefined && crowd.has(addressOf(first.req))) continue
      parked.delete(line)
      enqueue(line)
    }
  }

  function sweep(): void {
    crowd.prune()
    unpark()
    const now = performance.now()
    for (const line of parked) {
      const [first] = line.waiting
      if (first === undefined || now - first.since < bounds.crowdedMs) continue
      parked.delete(line)
      line.waiting.shift()
      run(refuse, line, first.req, first.res)
      if (mayGoOn(line)) goOn(line)
    }
    for (const line of lines) if (isDeaf(line)) line.socket.destroy()
  }

  function isDeaf(line: Line): boolean {
    const { writableLength, bytesWritten } = line.socket
    const delivered = bytesWritten - writableLength
    line.deafLooks = writableLength > 0 && delivered === line.delivered ? line.deafLooks + 1 : 0
    line.delivered = delivered
    if (line.deafLooks === 0) return false
    return writableLength > bounds.deafBytes || line.deafLooks * bounds.sweepMs >= bounds.deafMs
  }

  return {
    open,
    serve,
    start: () => void (sweeping = setInterval(sweep, bounds.sweepMs).unref()),
    stop: () => clearInterval(sweeping),
  }
}

/**
 * The requests that are being answered, by address. One whose client has not sent all of it waits for that client alone,
 * and a stream is answered as soon as its headers are out: neither counts, so that slow clients do not hold back others
 * behind the same proxy.
 */
function createCrowd(most: number) {
  const underWay = new Map<string, Set<ServerResponse>>()
  const crowded = new Set<string>()

  function judge(address: string, answers: Set<ServerResponse>): void {
    let busy = 0
    for (const res of answers) {
      if (res.headersSent) answers.delete(res)
      else if (!isStillSent(res.req)) busy += 1
    }
    if (busy >= most) crowded.add(address)
    else crowded.delete(address)
  }

  return {
    get empty() {
      return crowded.size === 0
    },
    has: (address: string) => crowded.has(address),
    enter(address: string, res: ServerResponse): void {
      const answers = underWay.get(address) ?? new Set()
      underWay.set(address, answers.add(res))
      // Counted now and then only, since very many may be slow.
      if (answers.size >= most && (answers.size - most) % 16 === 0) judge(address, answers)
    },
    leave(address: string, res: ServerResponse): void {
      const answers = underWay.get(address)
      if (!answers?.delete(res)) return
      if (answers.size === 0) underWay.delete(address)
      if (crowded.has(address)) judge(address, answers)
    },
    prune(): void {
      for (const [address, answers] of underWay) if (answers.size >= most) judge(address, answers)
      for (const address of crowded) judge(address, underWay.get(address) ?? new Set())
    },
  }
}

/** Whether its body is on the way. Node calls a request without one incomplete as well, for a moment. */
function isStillSent({ complete, headers }: IncomingMessage): boolean {
  return (
    !complete && (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0)
  )
}
