/**
 * The readers of `bench:streams`, a process of their own: they open streams, and note how long after its moment each
 * event arrived, by the clock of the machine, which the server stamps it with.
 */
import { connect, type Socket } from 'node:net'
import { quantile } from '../support/statistics.ts'

export type ClientOrder =
  | {
      readonly kind: 'open'
      readonly port: number
      readonly tokens: readonly string[]
      readonly each: number
    }
  | { readonly kind: 'count' }
  | { readonly kind: 'close' }

export interface Counted {
  readonly open: number
  readonly received: number
  /** From the moment of an event to its arrival. */
  readonly p50Ms: number
  readonly p99Ms: number
  /** From the first moment to the last arrival. */
  readonly spanMs: number
}

/** Opened at the same time: more would wait in the backlog of the server. */
const atOnce = 100

const sockets = new Set<Socket>()
let latencies: number[] = []
let firstMoment = Infinity
let lastArrival = 0

function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

function openOne(port: number, token: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let opened = false
    let rest = ''
    socket.setEncoding('latin1')
    socket.on('error', reject)
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (part: string) => {
      if (!opened) {
        if (!part.startsWith('HTTP/1.1 200')) return reject(new Error(part.slice(0, 200)))
        opened = true
        sockets.add(socket)
        resolve()
      }
      const lines = (rest + part).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) if (line.startsWith('data: ')) arrived(Number(line.slice(6)))
    })
    socket.write(
      `GET /bench HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nAuthorization: Bearer ${token}\r\n\r\n`,
    )
  })
}

function arrived(moment: number): void {
  if (!(moment > 0)) return
  lastArrival = machineMs()
  firstMoment = Math.min(firstMoment, moment)
  latencies.push(lastArrival - moment)
}

async function open({ port, tokens, each }: Extract<ClientOrder, { kind: 'open' }>): Promise<void> {
  const wanted = tokens.flatMap((token) => Array.from({ length: each }, () => token))
  let next = 0
  const opener = async () => {
    while (next < wanted.length) await openOne(port, wanted[next++] as string)
  }
  await Promise.all(Array.from({ length: atOnce }, opener))
}

function count(): Counted {
  const seen = latencies
  const spanMs = lastArrival - firstMoment
  latencies = []
  firstMoment = Infinity
  return {
    open: sockets.size,
    received: seen.length,
    p50Ms: quantile(seen, 0.5),
    p99Ms: quantile(seen, 0.99),
    spanMs,
  }
}

process.on('message', (order: ClientOrder) => {
  if (order.kind === 'close') for (const socket of sockets) socket.destroy()
  if (order.kind === 'count') process.send?.(count())
  if (order.kind !== 'open') return
  open(order).then(
    () => process.send?.({ opened: sockets.size }),
    (cause: unknown) => process.send?.({ failed: String(cause) }),
  )
})
process.on('disconnect', () => process.exit())
