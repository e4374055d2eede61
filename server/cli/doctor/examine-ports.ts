import type { Config } from '../../../shared/config/config.ts'
import { messageOf } from '../../../shared/kernel/errors.ts'
import { localUrl } from '../../../shared/config/local-url.ts'
import { claimPort } from '../../cluster/boot/claim-port.ts'
import { documentTitle } from '../../web/features/docs/openapi.ts'
import type { RunningServer } from './examine.ts'
import { findingsAbout, type Finding } from './finding.ts'

const { ok, warning, problem } = findingsAbout('ports')
const patienceMs = 2_000

/** Whether the server could listen where it should. While it runs, it does. */
export async function examinePorts(
  { http, metrics }: Config,
  server: RunningServer | null,
): Promise<Finding[]> {
  if (server !== null) return [ok('the server that runs has them')]
  if (await isLockstep(http.host, http.port)) {
    const how = 'pm2 runs it in its cluster mode, or it has another DATA_DIR'
    return [warning(`PORT=${http.port} is in use by a Lockstep that has no control socket here: ${how}`)]
  }
  const own = await examinePort(http.host, http.port, '')
  return metrics === null ? [own] : [own, await examinePort(metrics.host, metrics.port, 'METRICS_')]
}

async function examinePort(host: string, port: number, variables: string): Promise<Finding> {
  try {
    const free = await claimPort(host, port, variables)
    return ok(port === 0 ? `a free one on ${host} is picked at each start` : `${free} on ${host} is free`)
  } catch (cause) {
    return problem(messageOf(cause))
  }
}

/** Whether a server like this one answers there. */
async function isLockstep(host: string, port: number): Promise<boolean> {
  if (port === 0) return false
  try {
    const signal = AbortSignal.timeout(patienceMs)
    const answer = await fetch(`${localUrl(host, port)}/openapi.json`, { signal })
    const { info } = (await answer.json()) as { info?: { title?: unknown } }
    return info?.title === documentTitle
  } catch {
    return false
  }
}
