/**
 * A process that sends one request again and again over a number of keep-alive connections, each connection the
 * next request as soon as the last is answered. It is one for all contenders, and it does as little as it can
 * with an answer: it finds the end, and counts those that are not a 200.
 *
 * It counts from when all connections are open and warm, and reads the CPU time of the servers at that moment and at
 * the end by itself: a message to somebody else who reads them may take long on a busy machine.
 */
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { cpuTimeMs } from './cpu-time.ts'

export interface LoadOrder {
  readonly port: number
  /** The bytes of the request. */
  readonly request: string
  readonly connections: number
  /** Not counted; default none. */
  readonly warmUpMs?: number
  readonly forMs: number
  /** Whose CPU time is counted; default nobody's. */
  readonly pids?: readonly number[]
}

export interface LoadReport {
  readonly requests: number
  /** Answers that were not a 200. */
  readonly refused: number
  readonly elapsedMs: number
  readonly cpuMs: number
}

process.on('message', (order: LoadOrder) => {
  generate(order).then(
    (report) => process.send?.(report),
    (fault: unknown) => {
      throw fault
    },
  )
})

interface Counts {
  requests: number
  refused: number
}

async function generate({
  port,
  request,
  connections,
  warmUpMs = 0,
  forMs,
  pids = [],
}: LoadOrder): Promise<LoadReport> {
  const counts: Counts = { requests: 0, refused: 0 }
  const clients = Array.from({ length: connections }, () => startClient(port, request, counts))
  await Promise.all(clients.map(({ connected }) => connected))
  await pause(warmUpMs)

  const startedAt = performance.now()
  const cpuBefore = cpuTimeMs(pids)
  counts.requests = 0
  await pause(forMs)
  const report = {
    ...counts,
    elapsedMs: performance.now() - startedAt,
    cpuMs: cpuTimeMs(pids) - cpuBefore,
  }
  await Promise.all(clients.map((client) => client.end()))
  return report
}

/** One connection, which asks until it is ended. */
function startClient(port: number, request: string, counts: Counts) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true }).setEncoding('latin1')
  let ending = false
  let received = ''
  const closed = new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.once('close', () => (ending ? resolve() : reject(new Error('the server hung up'))))
  })
  socket.on('data', (text) => {
    received = received === '' ? String(text) : received + String(text)
    const length = answerLength(received)
    if (length === null || received.length < length) return
    counts.requests += 1
    if (!received.startsWith('HTTP/1.1 200')) counts.refused += 1
    received = ''
    if (ending) socket.end()
    else socket.write(request)
  })
  const connected = new Promise<void>((resolve) => socket.once('connect', resolve))
  return {
    connected: Promise.race([connected.then(() => void socket.write(request)), closed]),
    end() {
      ending = true
      return closed
    },
  }
}

/** How long an answer is with its body; null while its headers are not all there. */
function answerLength(received: string): number | null {
  const headersEnd = received.indexOf('\r\n\r\n')
  if (headersEnd < 0) return null
  const declared = /content-length: *(\d+)/i.exec(received)
  if (declared === null) throw new Error('the answer does not tell its length')
  return headersEnd + 4 + Number(declared[1])
}
