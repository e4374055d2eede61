import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Service } from '../../../shared/kernel/lifecycle.ts'
import type { Logger } from '../../../shared/telemetry/log.ts'
import { exposition, expositionContentType } from '../../../shared/telemetry/metrics/exposition.ts'
import type { Reading } from '../../../shared/telemetry/metrics/reading.ts'
import { claimPort } from '../boot/claim-port.ts'

export interface MetricsServerOptions {
  readonly host: string
  readonly port: number
  readonly read: () => Promise<readonly Reading[]>
  readonly log: Logger
}

/**
 * Serves `/metrics` and nothing else, to whoever reaches the address: there is no secret in it, but there is no
 * password before it either. Scrapes that come at once share one answer.
 */
export function createMetricsServer({ host, port, read, log }: MetricsServerOptions): Service {
  let reading: Promise<string> | null = null
  const server = createServer({ headersTimeout: 5_000, requestTimeout: 5_000 }, (req, res) => {
    void answer(req, res)
  })

  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (req.url?.split('?', 1)[0] !== '/metrics') return refuse(res, 404)
    if (req.method !== 'GET' && req.method !== 'HEAD') return refuse(res, 405, { Allow: 'GET, HEAD' })
    try {
      reading ??= read()
        .then(exposition)
        .finally(() => (reading = null))
      const text = await reading
      res.writeHead(200, { 'Content-Type': expositionContentType, 'Cache-Control': 'no-store' }).end(text)
    } catch (err) {
      log.error({ err }, 'the metrics could not be read')
      refuse(res, 500)
    }
  }

  return {
    async start() {
      await claimPort(host, port, 'METRICS_')
      server.listen({ host, port, exclusive: true })
      await once(server, 'listening')
      server.on('error', (err) => log.error({ err }, 'the metrics are not served any more'))
      log.info(
        { url: `http://${host.includes(':') ? `[${host}]` : host}:${port}/metrics` },
        'metrics are served',
      )
    },
    async stop() {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

function refuse(res: ServerResponse, status: number, headers: Record<string, string> = {}): void {
  res.writeHead(status, { 'Content-Length': '0', ...headers }).end()
}
