import { expect } from 'chai'
import { Agent } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { admin, refusedStart, startCluster, withoutLimits, type TestCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { onEveryWorker, send, signIn } from '../support/http.ts'
import { scrape, type Scrape } from '../support/prometheus.ts'

const meCount = 'lockstep_http_request_duration_seconds_count'
const me = { route: '/api/v1/auth/me', method: 'GET', status: '2xx' }

describe('the metrics of a running server', function () {
  this.timeout(60_000)
  let cluster: TestCluster
  let port: number
  const agents: Agent[] = []

  before(async () => {
    port = await freePort()
    cluster = await startCluster({ workers: 2, env: { METRICS_PORT: String(port), ...withoutLimits } })
  })

  after(async () => {
    for (const agent of agents) agent.destroy()
    await cluster.kill()
  })

  async function ask(times: number): Promise<void> {
    const ada = await signIn(cluster.url, admin)
    for (let request = 0; request < times; request += 1) {
      expect((await ada.send('/api/v1/auth/me')).status).to.equal(200)
    }
  }

  /** An open connection to this worker, to ask it while another can't accept any. */
  function connectionTo(worker: string): Promise<Agent> {
    return eventually(async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      agents.push(agent)
      expect((await send(`${cluster.url}/livez`, { agent })).worker).to.equal(worker)
      return agent
    })
  }

  it('count the requests of all workers by route, and tell what each worker holds', async () => {
    const ada = await signIn(cluster.url, admin)
    await onEveryWorker(2, () => ada.send('/api/v1/auth/me'))
    await send(`${cluster.url}/nothing/at/all`)
    const after = await scrape(port)
    expect(after.value(meCount, me)).to.be.at.least(2)
    expect(after.value(meCount, { route: 'none', status: '4xx' })).to.equal(1)
    for (const worker of ['web-1', 'web-2']) {
      expect(after.value('lockstep_worker_up', { worker })).to.equal(1)
      expect(after.value('lockstep_lease_held', { worker })).to.equal(1)
      expect(after.value('lockstep_sessions_cached', { worker })).to.equal(1)
      expect(after.value('lockstep_process_resident_memory_bytes', { worker })).to.be.greaterThan(1e6)
      expect(after.value('lockstep_http_requests_total', { worker })).to.be.at.least(1)
    }
    expect(after.value('lockstep_process_resident_memory_bytes', { worker: 'primary' })).to.be.greaterThan(
      1e6,
    )
  })

  it('tell hits in memory from trips to Redis, and time the logout', async () => {
    const before = await scrape(port)
    const ada = await signIn(cluster.url, admin)
    for (let request = 0; request < 20; request += 1) await ada.send('/api/v1/auth/me')
    expect((await ada.send('/api/v1/auth/logout', { method: 'POST' })).status).to.equal(204)
    const after = await scrape(port)
    const grown = (name: string) => after.sum(name) - before.sum(name)
    expect(grown('lockstep_session_hits_total')).to.be.at.least(15)
    expect(grown('lockstep_session_loads_total')).to.be.within(1, 10)
    expect(grown('lockstep_sessions_revoked_total')).to.equal(1)
    expect(grown('lockstep_revocation_duration_seconds_count')).to.be.at.least(1)
  })

  it('are complete while a worker is frozen, say which one it is, and blame it for the slow logout', async () => {
    const agent = await connectionTo('web-1')
    const ada = await signIn(cluster.url, admin)
    await onEveryWorker(2, () => ada.send('/api/v1/auth/me'))
    const before = await scrape(port)
    cluster.signalWorker(2, 'SIGSTOP')
    const logout = ada.send('/api/v1/auth/logout', { method: 'POST', agent })
    const during = await scrape(port)
    expect(during.value('lockstep_worker_up', { worker: 'web-1' })).to.equal(1)
    expect(during.value('lockstep_worker_up', { worker: 'web-2' })).to.equal(0)
    // What it told before is still there.
    expect(during.value(meCount, me)).to.equal(before.value(meCount, me))
    expect(during.value('lockstep_process_resident_memory_bytes', { worker: 'web-2' })).to.be.greaterThan(1e6)
    expect((await logout).status).to.equal(204)
    expect((await scrape(port)).sum('lockstep_revocation_silent_total')).to.equal(1)
    cluster.signalWorker(2, 'SIGCONT')
    await eventually(async () => {
      const after = await scrape(port)
      expect(after.value('lockstep_worker_up', { worker: 'web-2' })).to.equal(1)
      expect(after.value('lockstep_lease_lapses_total', { worker: 'web-2' })).to.be.at.least(1)
    })
  })

  it('keep what dead workers counted, and count the dead', async () => {
    await ask(10)
    const before = await scrape(port)
    cluster.signalWorker(1, 'SIGKILL')
    const after = await eventually(async () => {
      const now = await scrape(port)
      expect(now.value('lockstep_worker_starts_total', { worker: 'web-1' })).to.equal(2)
      expect(now.value('lockstep_worker_up', { worker: 'web-1' })).to.equal(1)
      return now
    }, 15_000)
    expect(after.value('lockstep_worker_failures_total', { worker: 'web-1' })).to.equal(1)
    expect(after.value('lockstep_worker_failures_total', { worker: 'web-2' })).to.equal(0)
    expectNothingFell(before, after)
    cluster.signalWorker(2, 'SIGTERM')
    await eventually(async () => {
      const last = await scrape(port)
      expect(last.value('lockstep_worker_starts_total', { worker: 'web-2' })).to.equal(2)
      expectNothingFell(after, last)
    }, 15_000)
  })

  function expectNothingFell(before: Scrape, after: Scrape): void {
    const counts = [...before.names].filter((name) => /_(total|count|bucket|sum)$/.test(name))
    for (const name of counts) expect(after.sum(name), name).to.be.at.least(before.sum(name))
  }

  it('show the decisions of the limiter, the queues and the jobs that were done', async () => {
    const metricsPort = await freePort()
    const withJobs = await startCluster({
      workers: 1,
      jobWorkers: 1,
      env: { METRICS_PORT: String(metricsPort) },
    })
    try {
      const ada = await signIn(withJobs.url, admin)
      const asked = await ada.send('/api/v1/jobs/echo', {
        method: 'POST',
        body: { data: { message: 'hello' } },
      })
      expect(asked.status).to.equal(202)
      await eventually(async () => {
        const now = await scrape(metricsPort)
        const echo = { job: 'echo', outcome: 'completed' }
        expect(now.value('lockstep_worker_up', { worker: 'jobs-1' })).to.equal(1)
        expect(now.value('lockstep_job_attempts_total', echo)).to.equal(1)
        expect(now.value('lockstep_job_duration_seconds_count', { job: 'echo' })).to.equal(1)
        expect(now.value('lockstep_queue_jobs', { queue: 'echo', state: 'completed' })).to.equal(1)
        expect(now.value('lockstep_limit_decisions_total', { outcome: 'admitted' })).to.be.at.least(1)
        expect(now.value('lockstep_limit_outage', { worker: 'web-1' })).to.equal(0)
      }, 15_000)
    } finally {
      await withJobs.kill()
    }
  })

  it('are all that is served there', async () => {
    const base = `http://127.0.0.1:${port}`
    for (const path of ['/', '/api/v1/auth/me', '/metrics/', '/livez']) {
      expect((await send(`${base}${path}`)).status).to.equal(404)
    }
    expect((await send(`${base}/metrics`, { method: 'POST', body: 'x' })).status).to.equal(405)
    expect((await send(`${base}/metrics`)).headers['content-type']).to.match(/^text\/plain; version=0\.0\.4/)
  })
})

describe('the port of the metrics', function () {
  this.timeout(30_000)

  it('is refused before anything is forked when another program has it', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const port = String((other.address() as AddressInfo).port)
    const { code, output } = await refusedStart({ env: { METRICS_PORT: port } })
    other.close()
    expect(code).to.equal(78)
    expect(output).to.contain(`METRICS_PORT=${port} on METRICS_HOST=127.0.0.1 is in use by another program`)
    expect(output).to.not.contain('worker is ready')
  })
})
