import type { WorkerStatus } from '../../../shared/process/control-request.ts'
import { askServer } from '../ask-server.ts'
import type { Command } from '../command.ts'
import { isoTime, table } from '../output.ts'
import { readArguments } from '../read-arguments.ts'

export const status: Command = {
  name: 'status',
  usages: ['status'],
  summary: 'Shows the workers, of all hosts that share the Redis.',
  async run({ args, config, output }) {
    readArguments(args, {})
    const { host, workers } = await askServer(config().dataDir, { command: 'status' })
    const head = ['WORKER', 'HOST', 'PROCESS', 'STATE', 'UP', 'MEMORY', 'LAG', 'LEASE', 'SESSIONS']
    output.result({ host, workers: workers.map(asJson) }, table(head, workers.map(row)))
  },
}

/** Times as over HTTP. */
function asJson(worker: WorkerStatus): object {
  const { startedAt } = worker
  return { ...worker, startedAt: startedAt === null ? null : isoTime(startedAt) }
}

function row(worker: WorkerStatus): string[] {
  const { id, host, pid, state, startedAt, rssBytes, eventLoopLagMs, leaseMs, cachedSessions } = worker
  return [
    id,
    host,
    shown(pid),
    state,
    shown(startedAt, (since) => age(Date.now() - since)),
    shown(rssBytes, (bytes) => `${Math.round(bytes / 2 ** 20)}M`),
    shown(eventLoopLagMs, (ms) => `${ms}ms`),
    shown(leaseMs, (ms) => `${Math.round(ms)}ms`),
    shown(cachedSessions),
  ]
}

function shown(value: number | null, words: (value: number) => string = String): string {
  return value === null ? '-' : words(value)
}

/** The two largest units: `3d4h`, `12m5s`. */
function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000))
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const
  const first = parts.findIndex(([count]) => count > 0)
  const from = first < 0 ? parts.length - 1 : first
  return parts
    .slice(from, from + 2)
    .map(([count, unit]) => `${count}${unit}`)
    .join('')
}
