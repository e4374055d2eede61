import type { Config, RedisTarget } from '../shared/config/config.ts'
import type { Environment } from '../shared/config/environment.ts'
import { assignedSpace } from '../shared/deployment/assigned-space.ts'
import { deploymentKeys, type DeploymentKeys } from '../shared/deployment/deployment-keys.ts'
import { ConfigurationError } from '../shared/kernel/errors.ts'
import { processName, readAssignment } from '../shared/process/assignment.ts'
import type { Entry } from '../shared/process/entry.ts'
import { alone, runWorker, supervised } from '../shared/process/run-worker.ts'

export async function runJobWorker(entry: Entry, environment: Environment): Promise<void> {
  const assignment = readAssignment(environment)
  // pm2 has a channel to each of its processes too, but stops them by a signal.
  const underPm2 = assignment === null && environment['pm_id'] !== undefined
  const forked = process.send !== undefined && !underPm2
  const host = forked ? supervised(entry) : alone((reason) => process.stderr.write(`${reason}\n`))

  await runWorker(entry, host, async () => {
    const { loadForWorker } = await import('../shared/app/load-for-worker.ts')
    const { openTracing } = await import('../shared/telemetry/tracing/tracing.ts')
    const { createJobWorker } = await import('./worker.ts')

    const { config, ...application } = await loadForWorker(environment, { cwd: process.cwd() })
    if (config.redis.kind === 'embedded') {
      throw new ConfigurationError(['REDIS_URL is not set: a job worker of its own needs a Redis of its own'])
    }
    const slot = assignment?.slot ?? 1
    const logOptions = {
      level: config.log.level,
      pretty: process.stdout.isTTY,
      process: 'jobs',
      worker: String(slot),
    } as const
    const { log, tracing } = await openTracing(config, logOptions)
    const worker = createJobWorker({
      ...application,
      config,
      slot,
      ...(assignment ? { name: processName(assignment) } : {}),
      keys: await ownKeys(environment, config, config.redis),
      log,
      ...(forked && config.metrics ? { metrics: process } : {}),
      ...(tracing ? { tracing } : {}),
    })
    return { worker, log, logOptions, graceMs: config.jobGraceMs }
  })
}

/** Where our keys are: the primary says so to those that it forks. */
async function ownKeys(
  environment: Environment,
  config: Config,
  target: Exclude<RedisTarget, { kind: 'embedded' }>,
): Promise<DeploymentKeys> {
  if (readAssignment(environment)) return deploymentKeys(assignedSpace(environment))
  const { openDeployment } = await import('../shared/deployment/open-deployment.ts')
  return (await openDeployment(config, target)).keys
}
