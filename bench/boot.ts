/**
 * What does a start cost? The CPU that each process has used until the server is ready, what it holds then, how long a
 * worker that was killed takes to be replaced, and a reload of many workers at once. The accounts exist and Redis runs.
 *
 * `npm run bench:boot [-- --starts=7] [--check]`
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { startCluster, type TestCluster } from '../test/support/cluster.ts'
import { eventually } from '../test/support/eventually.ts'
import { lockstep } from '../test/support/lockstep-command.ts'
import { startRedis } from '../test/support/redis.ts'
import { cpuTimeMs } from './support/cpu-time.ts'
import { checkGoals } from './support/goals.ts'
import { writeReport } from './support/report.ts'
import { median } from './support/statistics.ts'

const { values: options } = parseArgs({
  options: { starts: { type: 'string', default: '7' }, check: { type: 'boolean', default: false } },
})
const starts = Number(options.starts)
const reloaded = 8
/** What a worker loads, it has loaded; what it does by itself, it has begun. */
const settleMs = 1_000

type Role = 'web' | 'jobs' | 'primary'
const roles: readonly Role[] = ['web', 'jobs', 'primary']
const cpuMs: Record<Role, number[]> = { web: [], jobs: [], primary: [] }
const rssMb: Record<Role, number[]> = { web: [], jobs: [], primary: [] }
const reforkMs: number[] = []
let reloadMs = NaN

const redis = await startRedis()
const place = { redisUrl: redis.url, dataDir: await mkdtemp(path.join(tmpdir(), 'lockstep-boot-')) }
try {
  await (await startCluster({ ...place, workers: 1 })).stop()
  for (let start = 0; start < starts; start += 1) {
    const cluster = await startCluster({
      ...place,
      workers: 2,
      jobWorkers: 1,
      env: { NODE_ENV: 'production' },
    })
    try {
      await measure(cluster)
    } finally {
      await cluster.stop()
    }
    process.stderr.write('.')
  }
  reloadMs = await reloadAll()
} finally {
  await redis.stop()
  await rm(place.dataDir, { recursive: true, force: true })
}

async function measure(cluster: TestCluster): Promise<void> {
  await eventually(() => {
    if (cluster.workerPids('jobs').size === 0) throw new Error('no job worker yet')
  }, 30_000)
  const pids: Record<Role, number[]> = {
    web: [...cluster.workerPids('web').values()],
    jobs: [...cluster.workerPids('jobs').values()],
    primary: [cluster.primaryPid],
  }
  for (const role of roles) for (const pid of pids[role]) cpuMs[role].push(cpuTimeMs([pid]))
  await pause(settleMs)
  for (const role of roles) for (const pid of pids[role]) rssMb[role].push(await residentMb(pid))

  const before = cluster.workerPids('web').get(1) ?? 0
  const begin = performance.now()
  process.kill(before, 'SIGKILL')
  await eventually(() => {
    if (cluster.workerPids('web').get(1) === before) throw new Error('not replaced yet')
  }, 30_000)
  reforkMs.push(performance.now() - begin)
}

async function residentMb(pid: number): Promise<number> {
  const [, pages = '0'] = (await readFile(`/proc/${pid}/statm`, 'utf8')).split(' ')
  return (Number(pages) * 4_096) / 1e6
}

/** All of eight workers at a time. */
async function reloadAll(): Promise<number> {
  const cluster = await startCluster({ ...place, workers: reloaded, env: { NODE_ENV: 'production' } })
  try {
    const begin = performance.now()
    const { code, stderr } = await lockstep(cluster, 'reload', '--parallel', String(reloaded))
    if (code !== 0) throw new Error(`the reload failed: ${stderr}`)
    return performance.now() - begin
  } finally {
    await cluster.stop()
  }
}

const row = (role: Role) => [role, Math.round(median(cpuMs[role])), Math.round(median(rssMb[role]))]
writeReport({
  name: 'boot',
  title: 'What a start costs',
  explanation: [
    `${starts} starts with two web workers and one job worker. CPU until all are ready, from the scheduler; memory is what ` +
      'is resident a second later, the pages of Node itself included (41 MB in an idle Node that loaded nothing).',
    `A web worker that was killed is replaced, ready and listening, after ${Math.round(median(reforkMs))} ms, of which ` +
      `50 to 100 ms are our pause. A reload of ${reloaded} web workers, all at a time, takes ${(reloadMs / 1_000).toFixed(1)} s.`,
  ],
  tables: [{ columns: ['process', 'CPU ms', 'resident MB'], rows: roles.map(row) }],
  figures: { cpuMs, rssMb, reforkMs, reloadMs },
})
checkGoals([
  { what: 'CPU of a web worker until it is ready, ms', measured: cpuMs.web, atMost: 500 },
  { what: 'a killed web worker replaced and ready, ms', measured: reforkMs, atMost: 300 },
  { what: `a reload of ${reloaded} workers, s`, measured: [reloadMs / 1_000], atMost: 10 },
  { what: 'memory of a web worker, MB', measured: rssMb.web, atMost: 80 },
  { what: 'memory of a job worker, MB', measured: rssMb.jobs, atMost: 70 },
  { what: 'memory of the primary, MB', measured: rssMb.primary, atMost: 60 },
])
