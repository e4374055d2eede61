import type { Config } from '../../../shared/config.ts'
import { claimPort } from '../../cluster/claim-port.ts'
import type { RunningServer } from './examine.ts'
import { findingsAbout, type Finding } from './finding.ts'

const { ok, problem } = findingsAbout('ports')

/** Whether the server could listen where it should. While it runs, it does. */
export async function examinePorts(
  { http, metrics }: Config,
  server: RunningServer | null,
): Promise<Finding[]> {
  if (server !== null) return [ok('the server that runs has them')]
  const own = await examinePort(http.host, http.port, '')
  return metrics === null ? [own] : [own, await examinePort(metrics.host, metrics.port, 'METRICS_')]
}

async function examinePort(host: string, port: number, variables: string): Promise<Finding> {
  try {
    const free = await claimPort(host, port, variables)
    return ok(port === 0 ? `a free one on ${host} is picked at each start` : `${free} on ${host} is free`)
  } catch (cause) {
    return problem(cause instanceof Error ? cause.message : String(cause))
  }
}
