/**
 * How pm2 runs the server (docs/deployment.md):
 *
 *   pm2 start ecosystem.config.js                      fork mode: pm2 keeps our primary alive, which keeps the workers
 *   pm2 sendSignal SIGUSR2 lockstep                    a rolling reload there (`pm2 reload` would restart)
 *   PM2_MODE=cluster pm2 start ecosystem.config.js     cluster mode: pm2 forks the web workers; needs REDIS_URL
 *   pm2 reload lockstep, pm2 scale lockstep 4          what pm2 does with them
 *
 * pm2 reads a module by its named exports only.
 */
const { GRACE, JOB_GRACE, DRAIN_DELAY, TRUST_PROXY = '0', PM2_MODE = 'fork', WORKERS = 'max' } = process.env
const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

function durationMs(text = '', otherwise = 0) {
  const [, count, unit] = /^(\d+)(ms|s|m|h)$/.exec(text) ?? []
  return count === undefined ? otherwise : Number(count) * unitMs[unit]
}

const graceMs = durationMs(GRACE, 15_000)
const jobGraceMs = durationMs(JOB_GRACE, 30_000)
const drainDelayMs = durationMs(DRAIN_DELAY, TRUST_PROXY === '0' ? 0 : 5_000)

const common = {
  cwd: import.meta.dirname,
  env: { NODE_ENV: 'production' },
  // No restart mends a configuration. (pm2 shows "waiting restart" then, and does not mean it.)
  stop_exit_codes: [78],
  // Without it pm2 gives up after 16 quick failures, such as a database that is away for a while.
  exp_backoff_restart_delay: 200,
}

const primary = {
  ...common,
  name: 'lockstep',
  // Installs and builds what is missing, then becomes the server.
  script: 'server/start.js',
  exec_mode: 'fork',
  // Our primary ends its workers and Redis in order; a signal to each of them at once would be a race.
  treekill: false,
  // What balancers get, the grace of the workers, and what the primary takes after them.
  kill_timeout: drainDelayMs + Math.max(graceMs, jobGraceMs) + 7_000,
}

const webWorkers = {
  ...common,
  name: 'lockstep',
  script: 'server/start.js',
  exec_mode: 'cluster',
  instances: WORKERS,
  // A process is replaced only when the new one listens.
  wait_ready: true,
  // The first start may have to install and build.
  listen_timeout: 120_000,
  kill_timeout: graceMs + 2_000,
}

const jobWorkers = {
  ...common,
  name: 'lockstep-jobs',
  script: 'dist/bundle/workers/main.js',
  exec_mode: 'fork',
  kill_timeout: jobGraceMs + 2_000,
}

export const apps = PM2_MODE === 'cluster' ? [webWorkers, jobWorkers] : [primary]
