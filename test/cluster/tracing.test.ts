import { expect } from 'chai'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import {
  admin,
  refusedStart,
  startCluster,
  withoutLimits,
  type ClusterOptions,
  type TestCluster,
} from '../support/cluster.ts'
import {
  startCollector,
  type CollectedSpan,
  type Collector,
  type CollectorOptions,
} from '../support/collector.ts'
import { keysOfServer } from '../support/deployment-keys.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { send, signIn, type SignedIn } from '../support/http.ts'
import { startRedis } from '../support/redis.ts'

/** A trace that somebody else has begun, as its headers say. */
const caller = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' }
const fromCaller = { traceparent: `00-${caller.traceId}-${caller.spanId}-01` }

describe('traces', function () {
  this.timeout(60_000)
  const cleanUp = cleanUpAfterEach()

  async function collector(options?: CollectorOptions): Promise<Collector> {
    const started = await startCollector(options)
    cleanUp(() => started.stop())
    return started
  }

  async function start(env: ClusterOptions['env'], options: ClusterOptions = {}): Promise<TestCluster> {
    const soon = { OTEL_BSP_SCHEDULE_DELAY: '100', OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }
    const cluster = await startCluster({
      workers: 1,
      jobWorkers: 1,
      ...options,
      env: { ...withoutLimits, ...soon, ...env },
    })
    cleanUp(() => cluster.stop())
    return cluster
  }

  const enqueue = (root: SignedIn, headers = {}) =>
    root.send('/api/v1/jobs/echo', { method: 'POST', body: { data: { message: 'hello' } }, headers })

  /** The only span of that name, once it has arrived. */
  function spanNamed(from: Collector, name: string): Promise<CollectedSpan> {
    return eventually(() => {
      const found = from.spans().filter((span) => span.name === name)
      expect(found.map((span) => span.name)).to.deep.equal([name])
      return found[0] as CollectedSpan
    })
  }

  it('go on from the caller through the request to its job in another process', async () => {
    const sink = await collector()
    const cluster = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: sink.url })
    const root = await signIn(cluster.url, { ...admin, transport: 'token' })
    expect((await enqueue(root, fromCaller)).status).to.equal(202)

    const request = await spanNamed(sink, 'POST /api/v1/jobs/:name')
    const sent = await spanNamed(sink, 'send echo')
    const worked = await spanNamed(sink, 'process echo')
    expect([request, sent, worked].map((span) => span.traceId)).to.deep.equal(Array(3).fill(caller.traceId))
    expect([request, sent, worked].map((span) => span.parentSpanId)).to.deep.equal([
      caller.spanId,
      request.spanId,
      sent.spanId,
    ])
    expect([request, sent, worked].map((span) => span.kind)).to.deep.equal([2, 4, 5])
    expect([request, sent, worked].map((span) => span.resource['lockstep.worker'])).to.deep.equal([
      'web-1',
      'web-1',
      'jobs-1',
    ])
    expect(request.attributes).to.include({
      'http.request.method': 'POST',
      'http.route': '/api/v1/jobs/:name',
      'http.response.status_code': 202,
      'client.address': '127.0.0.1',
    })
    const echoed = cluster.logged().find(({ msg }) => msg === 'echoed')
    expect(echoed, 'the line that the job has logged').to.include({
      trace_id: caller.traceId,
      span_id: worked.spanId,
    })
  })

  it('tell of each script in Redis, each query to the database, and how long a logout has waited', async () => {
    const sink = await collector()
    const cluster = await start({ OTEL_TRACES_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_ENDPOINT: sink.url })
    const root = await signIn(cluster.url, { ...admin, transport: 'token' })
    expect((await root.send('/api/v1/auth/logout', { method: 'POST' })).status).to.equal(204)

    const login = await spanNamed(sink, 'POST /api/v1/auth/login')
    const logout = await spanNamed(sink, 'POST /api/v1/auth/logout')
    const within = (parent: CollectedSpan) =>
      sink.spans().filter((span) => span.parentSpanId === parent.spanId)
    expect(within(login).map((span) => span.name)).to.include.members(['EVALSHA create', 'select accounts'])
    expect(within(logout).map((span) => span.name)).to.include('EVALSHA revoke_session')
    const queries = within(login).filter((span) => span.name === 'select accounts')
    for (const { attributes } of queries)
      expect(attributes).to.include({ 'db.system.name': 'sqlite', 'db.collection.name': 'accounts' })
    const texts = queries.map(({ attributes }) => attributes['db.query.text']).join('\n')
    expect(texts).to.contain('where "email_key" = ?').and.to.contain('select "password_hash" from "accounts"')
    expect(logout.attributes['lockstep.revocation.ms']).to.be.a('number').and.above(0)
    expect(logout.attributes).to.include({ 'lockstep.revocation.workers_silent': 0 })
  })

  it('hold nothing of a URL but the pattern of its route, and leave the probes out', async () => {
    const sink = await collector()
    const cluster = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: sink.url }, { jobWorkers: 0 })
    for (const path of ['/readyz', '/secret-path-1', '/api/v1/auth/me?key=secret-query-2'])
      await send(`${cluster.url}${path}`, { headers: { baggage: 'key=secret-baggage-3' } })

    await spanNamed(sink, 'GET /api/v1/auth/me')
    await spanNamed(sink, 'GET')
    const delivered = sink.deliveries.map(({ body }) => body).join('\n')
    for (const absent of ['secret-path-1', 'secret-query-2', 'secret-baggage-3', 'readyz'])
      expect(delivered).to.not.contain(absent)
  })

  it('call an answer of 5xx a failure, and a refusal none', async () => {
    const sink = await collector()
    const redis = await startRedis()
    cleanUp(() => redis.stop())
    const cluster = await start(
      { OTEL_EXPORTER_OTLP_ENDPOINT: sink.url },
      { redisUrl: redis.url, jobWorkers: 0 },
    )
    const me = `${cluster.url}/api/v1/auth/me`
    const unknown = { headers: { authorization: `Bearer ${'A'.repeat(43)}` } }
    expect((await send(me, unknown)).status).to.equal(401)
    await redis.kill('SIGKILL')
    await eventually(async () => expect((await send(me, unknown)).status).to.equal(503))
    await eventually(() => {
      const requests = sink.spans().filter(({ name }) => name === 'GET /api/v1/auth/me')
      const verdicts = requests.map(({ failed, attributes }) => [
        attributes['http.response.status_code'],
        failed,
      ])
      expect(verdicts).to.deep.include.members([
        [401, false],
        [503, true],
      ])
    })
    await redis.restart()
  })

  it('of a job whose stored trace is damaged begin anew, and the job is done', async () => {
    const sink = await collector()
    const redis = await startRedis()
    cleanUp(() => redis.stop())
    await start({ OTEL_EXPORTER_OTLP_ENDPOINT: sink.url }, { redisUrl: redis.url })
    const connection = new Redis(redis.url, { maxRetriesPerRequest: null })
    const { queues: prefix } = await keysOfServer(connection)
    const queue = new Queue('echo', { connection, prefix })
    cleanUp(async () => {
      await queue.close()
      connection.disconnect()
    })
    const damaged = ['not JSON', 'null', '{"traceparent":7}', '{"traceparent":"00-zz"}']
    for (const metadata of damaged)
      await queue.add('echo', { payload: { message: metadata } }, { telemetry: { metadata } })

    await eventually(async () => {
      const done = (await queue.getCompleted()).map(({ returnvalue }) => returnvalue.message)
      expect(done).to.have.members(damaged)
      const spans = sink.spans().filter(({ name }) => name === 'process echo')
      expect(spans).to.have.length(4)
      expect(spans.map(({ parentSpanId }) => parentSpanId ?? '')).to.deep.equal(['', '', '', ''])
    })
  })

  it('go to a collector in protobuf, with its headers, unless another protocol is asked for', async () => {
    const sink = await collector()
    const cluster = await start(
      {
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${sink.url}/mine`,
        OTEL_EXPORTER_OTLP_PROTOCOL: undefined,
        OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20key-of-the-collector',
        OTEL_SERVICE_NAME: 'the-shop',
      },
      { jobWorkers: 0 },
    )
    await send(`${cluster.url}/api/v1/auth/me`)
    const delivery = await eventually(() => {
      expect(sink.deliveries).to.have.length.above(0)
      return sink.deliveries[0]!
    })
    expect(delivery.path).to.equal('/mine')
    expect(delivery.headers).to.include({
      'content-type': 'application/x-protobuf',
      authorization: 'Bearer key-of-the-collector',
    })
    expect(delivery.body).to.contain('the-shop').and.contain('/api/v1/auth/me')
    expect(cluster.output()).to.not.contain('key-of-the-collector')
  })

  it('are lines of the log with the console exporter, and every line stays JSON', async () => {
    const cluster = await start({ OTEL_TRACES_EXPORTER: 'console' }, { jobWorkers: 0 })
    await send(`${cluster.url}/api/v1/auth/me`, { headers: fromCaller })
    const told = await eventually(() => {
      const line = cluster.logged().find((one) => one.span?.name === 'GET /api/v1/auth/me')
      expect(line).to.be.an('object')
      return line!
    })
    expect(told).to.include({ trace_id: caller.traceId })
    expect(told.span).to.include({ parentId: caller.spanId, kind: 'server', failed: false })
    expect(told.span.attributes).to.include({ 'http.response.status_code': 401 })
  })

  it('hold up neither requests nor the end when the collector never answers', async () => {
    const sink = await collector({ silent: true })
    const cluster = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: sink.url, GRACE: '50s' })
    const root = await signIn(cluster.url, { ...admin, transport: 'token' })
    await eventually(() => expect(sink.deliveries).to.have.length.above(0))
    expect((await root.send('/api/v1/auth/me')).status).to.equal(200)
    cluster.signal('SIGTERM')
    // The test itself does not wait for as long as the grace.
    expect(await cluster.exited).to.equal(0)
    expect(cluster.logged().filter(({ level }) => level === 'error')).to.deep.equal([])
  }).timeout(30_000)

  it('that nobody takes are told of once in the log, and lose no request', async () => {
    const nobody = `http://127.0.0.1:${await freePort()}`
    const cluster = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: nobody, OTEL_EXPORTER_OTLP_TIMEOUT: '500' })
    const root = await signIn(cluster.url, { ...admin, transport: 'token' })
    const told = () => cluster.logged().filter(({ msg }) => msg.startsWith('spans could not be delivered'))
    await eventually(async () => {
      expect((await root.send('/api/v1/auth/me')).status).to.equal(200)
      expect(told()).to.not.deep.equal([])
    })
    expect(told()[0]).to.include({ level: 'warn', worker: '1' })
    expect(told()[0]?.reason).to.contain('ECONNREFUSED')
    expect(told()[0]).to.not.have.property('trace_id')
  })

  it('that are refused are told of once, without what the collector repeats of our headers', async () => {
    const sink = await collector({ refusing: true })
    const cluster = await start(
      {
        OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
        OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20open-sesame',
      },
      { jobWorkers: 0 },
    )
    await eventually(async () => {
      await send(`${cluster.url}/api/v1/auth/me`)
      expect(sink.deliveries).to.have.length.above(3)
    })
    const told = cluster.logged().filter(({ level }) => level === 'warn')
    expect(told.map(({ reason }) => reason)).to.deep.equal(['OTLPExporterError 400 Bad Request'])
    expect(cluster.output()).to.not.contain('open-sesame')
  })

  it('are not made when nobody asks, or OTEL_SDK_DISABLED says so', async () => {
    const sink = await collector()
    const cluster = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: sink.url, OTEL_SDK_DISABLED: 'true' })
    const root = await signIn(cluster.url, { ...admin, transport: 'token' })
    await enqueue(root, fromCaller)
    await eventually(() => expect(cluster.logged().some(({ msg }) => msg === 'echoed')).to.equal(true))
    await cluster.stop()
    expect(sink.deliveries).to.deep.equal([])
    expect(cluster.logged().filter((line) => 'trace_id' in line)).to.deep.equal([])
  })

  it('that could not be delivered as asked are refused before anything starts', async () => {
    const { code, output } = await refusedStart({
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4317', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
    })
    expect(code).to.equal(78)
    expect(output)
      .to.contain('OTEL_EXPORTER_OTLP_PROTOCOL="grpc" is not accepted')
      .and.contain('http/protobuf')
  })
})
