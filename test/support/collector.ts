/** A collector of traces, as the server finds it: an HTTP server that takes OTLP. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { recordOutput } from './run-records.ts'

/** A span as it arrived, with its attributes as plain values. */
export interface CollectedSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly name: string
  /** By OTLP: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number
  readonly failed: boolean
  readonly ms: number
  readonly attributes: Readonly<Record<string, unknown>>
  readonly resource: Readonly<Record<string, unknown>>
}

export interface Collector {
  readonly url: string
  /** Each delivery so far, in the order of their arrival. */
  readonly deliveries: readonly { path: string; headers: IncomingHttpHeaders; body: string }[]
  /** All spans so far, of deliveries in JSON. */
  spans(): CollectedSpan[]
  stop(): Promise<void>
}

export interface CollectorOptions {
  /** It takes whatever is sent and never answers. */
  readonly silent?: boolean
  /** It takes nothing, and repeats in its answer what it was sent, headers included. */
  readonly refusing?: boolean
}

/** What arrives is looked through for secrets at the end. */
export async function startCollector(options: CollectorOptions = {}): Promise<Collector> {
  const { silent = false, refusing = false } = options
  const deliveries: { path: string; headers: IncomingHttpHeaders; body: string }[] = []
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString()
    recordOutput(`${body}\n`)
    deliveries.push({ path: req.url ?? '', headers: req.headers, body })
    if (refusing)
      res.writeHead(400).end(JSON.stringify({ message: `no: ${deliveries.length}`, ...req.headers }))
    else if (!silent) res.setHeader('content-type', 'application/json').end('{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    deliveries,
    spans: () =>
      deliveries
        .filter(({ headers }) => headers['content-type'] === 'application/json')
        .flatMap(({ body }) => spansIn(JSON.parse(body))),
    async stop() {
      server.closeAllConnections()
      server.close()
    },
  }
}

interface KeyValue {
  readonly key: string
  readonly value: Readonly<Record<string, unknown>>
}

function spansIn(body: any): CollectedSpan[] {
  return body.resourceSpans.flatMap(({ resource, scopeSpans }: any) =>
    scopeSpans.flatMap(({ spans }: any) =>
      spans.map((span: any) => ({
        ...span,
        failed: span.status?.code === 2,
        ms: Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6,
        attributes: plain(span.attributes),
        resource: plain(resource.attributes),
      })),
    ),
  )
}

function plain(pairs: readonly KeyValue[]): Record<string, unknown> {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, Object.values(value)[0]]))
}
