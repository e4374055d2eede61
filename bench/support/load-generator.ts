/**
 * A process that sends one request again and again over a number of keep-alive connections, each connection the
 * next request as soon as the last is answered. It is one for all contenders, and it does as little as it can
 * with an answer: it finds the end, and counts those that are not a 200.
 */
import { connect, type Socket } from 'node:net'

export interface LoadOrder {
  readonly port: number
  /** The bytes of the request. */
  readonly request: string
  readonly connections: number
  readonly forMs: number
}

export interface LoadReport {
  readonly requests: number
  /** Answers that were not a 200. */
  readonly refused: number
  readonly elapsedMs: number
}

process.on('message', (order: LoadOrder) => {
  generate(order).then(
    (report) => process.send?.(report),
    (fault: unknown) => {
      throw fault
    },
  )
})

async function generate({ port, request, connections, forMs }: LoadOrder): Promise<LoadReport> {
  const counts = { requests: 0, refused: 0 }
  const startedAt = performance.now()
  const until = startedAt + forMs
  const clients = Array.from({ length: connections }, () => drive(port, request, until, counts))
  await Promise.all(clients)
  return { ...counts, elapsedMs: performance.now() - startedAt }
}

/** One connection, for as long as it takes. */
function drive(
  port: number,
  request: string,
  until: number,
  counts: { requests: number; refused: number },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true })
    let received = ''
    socket.setEncoding('latin1')
    socket.on('connect', () => socket.write(request))
    socket.on('error', reject)
    socket.on('close', () =>
      performance.now() < until ? reject(new Error('the server hung up')) : resolve(),
    )
    socket.on('data', (text) => {
      received = received === '' ? String(text) : received + String(text)
      const length = answerLength(received)
      if (length === null || received.length < length) return
      counts.requests += 1
      if (!received.startsWith('HTTP/1.1 200')) counts.refused += 1
      received = ''
      if (performance.now() < until) socket.write(request)
      else socket.end()
    })
  })
}

/** How long an answer is with its body; null while its headers are not all there. */
function answerLength(received: string): number | null {
  const headersEnd = received.indexOf('\r\n\r\n')
  if (headersEnd < 0) return null
  const declared = /content-length: *(\d+)/i.exec(received)
  if (declared === null) throw new Error('the answer does not tell its length')
  return headersEnd + 4 + Number(declared[1])
}
