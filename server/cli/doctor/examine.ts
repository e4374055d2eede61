/**
 * Looks at everything that the server depends on, without starting it and without changing anything. Each part is
 * examined whatever the others are like, so that all that is wrong is known at once.
 */
import type { Config } from '../../../shared/config/config.ts'
import { ConfigurationError, messageOf } from '../../../shared/kernel/errors.ts'
import { askServer, ServerNotRunning } from '../ask-server.ts'
import { examineDatabase } from './examine-database.ts'
import { examineDeployment } from './examine-deployment.ts'
import { examinePorts } from './examine-ports.ts'
import { examineReadiness } from './examine-readiness.ts'
import { examineRedis } from './examine-redis.ts'
import { examineSystem, type SystemFacts } from './examine-system.ts'
import { examineTraces } from './examine-traces.ts'
import { findingsAbout, type Finding } from './finding.ts'

export interface Patient {
  /** Throws a `ConfigurationError`. */
  config(): Config
  /** Where programs are looked for, in the form of PATH. */
  readonly searchPath: string
  readonly facts?: SystemFacts
}

/** A server that runs with this configuration's data directory, as far as the doctor needs it. */
export interface RunningServer {
  /** Where its embedded Redis is, if it has one. */
  readonly redisUrl: string | null
  readonly workers: number
}

export async function examine({ config: read, searchPath, facts }: Patient): Promise<Finding[]> {
  const { ok, problem } = findingsAbout('configuration')
  let config: Config
  try {
    config = read()
  } catch (cause) {
    if (!(cause instanceof ConfigurationError)) throw cause
    // What the rest should be like is not known.
    return cause.problems.map(problem)
  }
  let server: RunningServer | null
  try {
    server = await findServer(config)
  } catch (cause) {
    // It runs, and nothing of it may be looked into.
    const { problem: unreachable } = findingsAbout('server')
    return [unreachable(messageOf(cause))]
  }
  const parts = await Promise.all([
    examineRedis(config, { server, searchPath }),
    examineDatabase(config),
    examineDeployment(config, server),
    examinePorts(config, server),
    examineSystem(config, facts),
    examineTraces(config),
    examineReadiness(config, server !== null),
  ])
  return [ok('the environment is understood'), describeServer(config, server), ...parts.flat()]
}

/** Null when none runs; throws when one does and does not answer us. */
async function findServer({ dataDir }: Config): Promise<RunningServer | null> {
  try {
    const [{ embeddedUrl }, { workers }] = await Promise.all([
      askServer(dataDir, { command: 'redis' }),
      askServer(dataDir, { command: 'status' }),
    ])
    return { redisUrl: embeddedUrl, workers: workers.length }
  } catch (cause) {
    if (cause instanceof ServerNotRunning) return null
    throw cause
  }
}

function describeServer({ dataDir }: Config, server: RunningServer | null): Finding {
  const { ok } = findingsAbout('server')
  return server === null
    ? ok(`none runs with DATA_DIR=${dataDir}`)
    : ok(`one runs with DATA_DIR=${dataDir}; it knows of ${server.workers} workers`)
}
