import { expect } from 'chai'
import { EventEmitter } from 'node:events'
import { createRequestMeter } from '../../server/web/request-meter.ts'
import { defineRoute } from '../../shared/app/route.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { answerPrimary, measure, parseMeasured } from '../../shared/telemetry/metrics/answer-primary.ts'
import { catalogue } from '../../shared/telemetry/metrics/catalogue.ts'
import { exposition } from '../../shared/telemetry/metrics/exposition.ts'
import { createMetricsLedger } from '../../shared/telemetry/metrics/ledger.ts'
import { createProcessMeter } from '../../shared/telemetry/metrics/process-meter.ts'
import { createQueueMeter } from '../../shared/telemetry/metrics/queue-meter.ts'
import {
  createHistogram,
  parseReading,
  reading,
  type Reading,
} from '../../shared/telemetry/metrics/reading.ts'
import { createSessionMeter } from '../../shared/telemetry/metrics/session-meter.ts'
import { createDurations } from '../../shared/queues/durations.ts'
import type { QueueNumbers } from '../../shared/queues/queues.ts'
import { eventually } from '../support/eventually.ts'

function valueOf(readings: readonly Reading[], metric: string, labels: Record<string, string> = {}): unknown {
  const found = readings.find(
    (one) =>
      one.metric === metric && Object.entries(labels).every(([name, value]) => one.labels[name] === value),
  )
  return found && 'value' in found ? found.value : undefined
}

describe('the catalogue of metrics', () => {
  it('names and explains each metric as Prometheus expects', () => {
    for (const [name, { type, help }] of Object.entries(catalogue)) {
      expect(name).to.match(/^lockstep_[a-z][a-z0-9_]*$/)
      expect(name.endsWith('_total'), name).to.equal(type === 'counter')
      if (type === 'histogram') expect(name).to.match(/_seconds$/)
      expect(help, name).to.match(/^[^\\\n]{5,}$/)
    }
  })
})

describe('the ledger of metrics', () => {
  const loads = (value: number) => reading('lockstep_session_loads_total', value)
  const cached = (value: number, worker: string) => reading('lockstep_sessions_cached', value, { worker })

  it('adds up what the workers count, and keeps their gauges apart', () => {
    const ledger = createMetricsLedger()
    ledger.update({}, [loads(3), cached(10, 'web-1')])
    ledger.update({}, [loads(4), cached(20, 'web-2')])
    expect(valueOf(ledger.read(), 'lockstep_session_loads_total')).to.equal(7)
    expect(valueOf(ledger.read(), 'lockstep_sessions_cached', { worker: 'web-1' })).to.equal(10)
    expect(valueOf(ledger.read(), 'lockstep_sessions_cached', { worker: 'web-2' })).to.equal(20)
  })

  it('keeps what the dead have counted, and forgets their gauges', () => {
    const ledger = createMetricsLedger()
    const dead = {}
    ledger.update(dead, [loads(3), cached(10, 'web-1')])
    ledger.update(dead, [loads(5), cached(11, 'web-1')])
    ledger.retire(dead)
    ledger.retire(dead)
    expect(ledger.read()).to.deep.equal([loads(5)])
    ledger.update({}, [loads(1)])
    expect(ledger.read()).to.deep.equal([loads(6)])
  })

  it('adds histograms up bucket by bucket', () => {
    const ledger = createMetricsLedger()
    for (const seconds of [0.0001, 99]) {
      const histogram = createHistogram('lockstep_revocation_duration_seconds')
      histogram.observe(seconds)
      const worker = {}
      ledger.update(worker, [histogram.read()])
      ledger.retire(worker)
    }
    const [sum] = ledger.read()
    expect(sum).to.have.property('sum', 99.0001)
    expect(sum && 'counts' in sum && sum.counts).to.deep.equal([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
  })

  it('believes the last report of what is the same for all', () => {
    const ledger = createMetricsLedger()
    const waiting = (value: number) =>
      reading('lockstep_queue_jobs', value, { queue: 'mail', state: 'waiting' })
    const [one, two] = [{}, {}]
    ledger.update(one, [waiting(5)])
    ledger.update(two, [waiting(6)])
    ledger.update(one, [waiting(7)])
    expect(ledger.read()).to.deep.equal([waiting(7)])
  })
})

describe('the exposition of metrics', () => {
  it('is the text that Prometheus reads', () => {
    const histogram = createHistogram('lockstep_revocation_duration_seconds')
    for (const seconds of [0.001, 0.2, 60]) histogram.observe(seconds)
    const text = exposition([
      histogram.read(),
      reading('lockstep_worker_up', 1, { worker: 'web-1' }),
      reading('lockstep_worker_up', 0, { worker: 'web-2' }),
    ])
    expect(text).to.match(/^# HELP lockstep_worker_up .+\n# TYPE lockstep_worker_up gauge\n/)
    expect(text).to.contain('\nlockstep_worker_up{worker="web-1"} 1\nlockstep_worker_up{worker="web-2"} 0\n')
    expect(text).to.contain('# TYPE lockstep_revocation_duration_seconds histogram\n')
    expect(text).to.contain('lockstep_revocation_duration_seconds_bucket{le="0.001"} 1\n')
    expect(text).to.contain('lockstep_revocation_duration_seconds_bucket{le="0.25"} 2\n')
    expect(text).to.contain('lockstep_revocation_duration_seconds_bucket{le="5"} 2\n')
    expect(text).to.contain('lockstep_revocation_duration_seconds_bucket{le="+Inf"} 3\n')
    expect(text).to.contain('lockstep_revocation_duration_seconds_sum 60.201\n')
    expect(text).to.match(/lockstep_revocation_duration_seconds_count 3\n$/)
  })

  it('escapes what a label may hold', () => {
    const text = exposition([reading('lockstep_worker_up', 1, { worker: 'a"b\\c\nd' })])
    expect(text).to.contain('{worker="a\\"b\\\\c\\nd"} 1\n')
  })
})

describe('a reading from another process', () => {
  it('is taken when the catalogue knows it, and is left out otherwise', () => {
    const good = [
      reading('lockstep_worker_up', 1, { worker: 'web-1' }),
      createHistogram('lockstep_job_duration_seconds').read({ job: 'echo' }),
    ]
    expect(parseMeasured(JSON.parse(JSON.stringify({ type: 'measured', readings: good })))).to.deep.equal(
      good,
    )
    const foreign = [
      null,
      'lockstep_worker_up',
      {},
      { metric: 'toString', labels: {}, value: 1 },
      { metric: 'lockstep_worker_up', labels: {}, value: '1' },
      { metric: 'lockstep_worker_up', labels: { worker: 1 }, value: 1 },
      { metric: 'lockstep_worker_up', value: 1 },
      { metric: 'lockstep_job_duration_seconds', labels: {}, value: 1 },
      { metric: 'lockstep_job_duration_seconds', labels: {}, counts: [1], sum: 1 },
    ]
    expect(foreign.map(parseReading)).to.deep.equal(foreign.map(() => null))
    for (const message of [null, 'measured', {}, { type: 'ready', port: 1 }, { type: 'measured' }]) {
      expect(parseMeasured(message)).to.equal(null)
    }
  })
})

describe('a worker that is asked for its readings', () => {
  function channel() {
    const sent: unknown[] = []
    const send = (message: object, done: (failure: null) => void) => {
      sent.push(message)
      done(null)
    }
    return { sent, channel: Object.assign(new EventEmitter(), { send }) }
  }

  it('tells once when it can be asked, at each question, and before it ends', async () => {
    const { sent, channel: primary } = channel()
    const answering = answerPrimary(primary, () => [reading('lockstep_session_loads_total', sent.length)])
    await answering.start()
    primary.emit('message', measure)
    primary.emit('message', { type: 'stop', graceMs: 1 })
    primary.emit('message', null)
    await answering.stop(deadlineIn(1_000))
    primary.emit('message', measure)
    expect(sent.map(parseMeasured)).to.deep.equal([
      [reading('lockstep_session_loads_total', 0)],
      [reading('lockstep_session_loads_total', 1)],
      [reading('lockstep_session_loads_total', 2)],
    ])
  })

  it('does not mind that nobody forked it', async () => {
    const answering = answerPrimary(new EventEmitter(), () => [])
    await answering.start()
    await answering.stop(deadlineIn(1_000))
  })
})

describe('the meter of requests', () => {
  const route = defineRoute({
    method: 'GET',
    path: '/things/:id',
    access: 'anyone',
    summary: 'A thing',
    replies: {},
    handler() {},
  })

  it('tells routes and classes of status apart, by the pattern of the path', () => {
    const meter = createRequestMeter('web-1')
    meter.observe(route, 200, 3)
    meter.observe(route, 204, 3)
    meter.observe(route, 503, 2_000)
    meter.observe(null, 404, 0.1)
    const text = exposition(meter.read())
    const count = 'lockstep_http_request_duration_seconds_count'
    expect(text).to.contain(`${count}{route="/things/:id",method="GET",status="2xx"} 2\n`)
    expect(text).to.contain(`${count}{route="/things/:id",method="GET",status="5xx"} 1\n`)
    expect(text).to.contain(`${count}{route="none",method="other",status="4xx"} 1\n`)
    expect(text).to.contain('_sum{route="/things/:id",method="GET",status="5xx"} 2\n')
    expect(text).to.contain('lockstep_http_requests_total{worker="web-1"} 4\n')
  })
})

describe('the meter of sessions', () => {
  const sessions = {
    counters: { hits: 1, loads: 2, fillsRefused: 3, corrupt: 4, revoked: 5, unconfirmed: 6 },
    cachedSessions: () => 9,
  }
  const coherence = {
    counters: {
      syncs: 1,
      syncFailures: 2,
      leaseLapses: 3,
      applied: 4,
      gaps: 5,
      flushes: 6,
      malformedMessages: 7,
      subscriberResets: 8,
    },
    leaseOk: () => false,
  }

  it('names the members whose leases had to end, across their processes', () => {
    const meter = createSessionMeter('web-1')
    meter.waited({ ms: 3, acks: 2, silent: [] })
    meter.waited({ ms: 1_500, acks: 2, silent: ['host-a:web-2:r4nd0m', 'host-b:web-1:x'] })
    meter.waited({ ms: 1_500, acks: 1, silent: ['host-a:web-2:another'] })
    const readings = meter.read(sessions, coherence)
    const silent = 'lockstep_revocation_silent_total'
    expect(valueOf(readings, silent, { member: 'host-a:web-2' })).to.equal(2)
    expect(valueOf(readings, silent, { member: 'host-b:web-1' })).to.equal(1)
    expect(valueOf(readings, 'lockstep_revocation_acks_total')).to.equal(5)
    expect(valueOf(readings, 'lockstep_lease_held', { worker: 'web-1' })).to.equal(0)
    expect(exposition(readings)).to.contain('lockstep_revocation_duration_seconds_count 3\n')
  })

  it('does not grow with the number of members', () => {
    const meter = createSessionMeter('web-1')
    for (let pid = 0; pid < 1_000; pid += 1) meter.waited({ ms: 1, acks: 1, silent: [`host:${pid}:x`] })
    const members = meter
      .read(sessions, coherence)
      .filter(({ metric }) => metric === 'lockstep_revocation_silent_total')
    expect(members).to.have.length(101)
    expect(valueOf(members, 'lockstep_revocation_silent_total', { member: 'others' })).to.equal(900)
  })
})

describe('the meter of queues', () => {
  const numbers: QueueNumbers = {
    waiting: 3,
    active: 1,
    delayed: 0,
    failed: 2,
    completed: 9,
    oldestWaitingMs: 1_500,
  }

  it('answers with the depths that it measured last, and drops them while Redis is away', async () => {
    let away = false
    const queues = { measure: async () => (away ? Promise.reject(new Error('away')) : { mail: numbers }) }
    const meter = createQueueMeter({ queues, durations: () => ({}) })
    await eventually(() => {
      const readings = meter.read()
      expect(valueOf(readings, 'lockstep_queue_jobs', { queue: 'mail', state: 'waiting' })).to.equal(3)
      expect(valueOf(readings, 'lockstep_queue_oldest_waiting_seconds', { queue: 'mail' })).to.equal(1.5)
    })
    away = true
    await eventually(() => expect(meter.read()).to.deep.equal([]))
  })

  it('counts the attempts of this process', () => {
    const durations = createDurations()
    durations.add('mail', 'completed', 20)
    durations.add('mail', 'completed', 700_000)
    durations.add('mail', 'failed', 5)
    const queues = { measure: async () => ({}) }
    const text = exposition(createQueueMeter({ queues, durations: durations.read }).read())
    expect(text).to.contain('lockstep_job_attempts_total{job="mail",outcome="completed"} 2\n')
    expect(text).to.contain('lockstep_job_duration_seconds_bucket{job="mail",le="0.05"} 2\n')
    expect(text).to.contain('lockstep_job_duration_seconds_bucket{job="mail",le="600"} 2\n')
    expect(text).to.contain('lockstep_job_duration_seconds_bucket{job="mail",le="+Inf"} 3\n')
  })
})

describe('the meter of the process', () => {
  it('shows how late the event loop was, and is quiet after it was read', async () => {
    const meter = createProcessMeter('web-1')
    await meter.start()
    const worst = () => Number(valueOf(meter.read(), 'lockstep_eventloop_lag_seconds', { stat: 'max' }))
    await eventually(() => {
      const until = performance.now() + 300
      while (performance.now() < until);
      return new Promise((resolve) => setImmediate(resolve)).then(() =>
        expect(worst()).to.be.greaterThan(0.2),
      )
    })
    await eventually(() => expect(worst()).to.be.lessThan(0.2))
    await meter.stop(deadlineIn(1_000))
    expect(valueOf(meter.read(), 'lockstep_process_resident_memory_bytes')).to.be.greaterThan(1e6)
  })
})
