import { expect } from 'chai'
import fc from 'fast-check'
import { loadConfig, type Config, type Facts } from '../../shared/config/config.ts'
import { assignmentEnvironment, readAssignment } from '../../shared/process/assignment.ts'
import { ConfigurationError } from '../../shared/kernel/errors.ts'

type Variables = Record<string, string>

function problemsOf(env: Variables, facts: Partial<Facts> = {}): readonly string[] {
  try {
    loadConfig(env, facts)
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems
    throw error
  }
  return []
}

const get = (env: Variables, facts: Partial<Facts> = { cwd: '/srv/app' }): Config => loadConfig(env, facts)

describe('the configuration', () => {
  it('has the defaults of the contract', () => {
    const config = get({}, { cpus: 3, cwd: '/srv/app' })
    expect(config).to.deep.include({
      production: false,
      workers: {
        web: 3,
        jobs: 1,
        scheduling: 'round-robin',
        maxRssBytes: 'share',
        heapIsSet: false,
        maxAgeMs: null,
      },
      dataDir: '/srv/app/.lockstep',
      redis: { kind: 'embedded' },
      redisNodes: null,
      redisIdentity: 'script',
      redisServerBin: null,
      database: { kind: 'sqlite', file: '/srv/app/.lockstep/accounts.sqlite' },
      admin: { email: null, password: null },
      metrics: null,
      tracing: null,
      auditRetentionMs: 90 * 86_400_000,
      graceMs: 15_000,
      jobGraceMs: 30_000,
      drainDelayMs: 0,
      log: { level: 'info' },
    })
    expect(config.http).to.deep.equal({
      host: '127.0.0.1',
      port: 3000,
      trustProxy: 0,
      exposeWorker: true,
      publicUrl: null,
      corsOrigins: [],
    })
    expect(config.sessions).to.deep.equal({
      cache: 'coherent',
      idleMs: 1_800_000,
      absoluteMs: 86_400_000,
      rememberAbsoluteMs: 2_592_000_000,
      maxPerUser: 20,
      loginRevokes: 'none',
      durability: 'auto',
      leaseMs: 1_000,
    })
    expect(config.limits).to.deep.equal({
      api: { limit: 1000, windowMs: 60_000 },
      loginIp: { limit: 50, windowMs: 900_000 },
      loginAccount: { limit: 10, windowMs: 900_000 },
    })
  })

  it('is frozen at every depth', () => {
    const config = get({ CORS_ORIGINS: 'https://a.example' })
    expect(() => ((config.http as { port: number }).port = 1)).to.throw(TypeError)
    expect(() => (config.http.corsOrigins as string[]).push('https://b.example')).to.throw(TypeError)
  })

  const accepted: [variable: string, text: string, value: (config: Config) => unknown, expected: unknown][] =
    [
      ['NODE_ENV', 'production', (c) => [c.production, c.http.exposeWorker], [true, false]],
      ['HOST', '::1', (c) => c.http.host, '::1'],
      ['HOST', 'web-1.internal', (c) => c.http.host, 'web-1.internal'],
      ['PORT', '0', (c) => c.http.port, 0],
      ['PORT', '65535', (c) => c.http.port, 65535],
      ['WORKERS', '256', (c) => c.workers.web, 256],
      ['JOB_WORKERS', '0', (c) => c.workers.jobs, 0],
      ['TRUST_PROXY', '2', (c) => c.http.trustProxy, 2],
      ['EXPOSE_WORKER', 'off', (c) => c.http.exposeWorker, false],
      ['EXPOSE_WORKER', '1', (c) => c.http.exposeWorker, true],
      ['PUBLIC_URL', 'https://App.example.com:443/', (c) => c.http.publicUrl, 'https://app.example.com'],
      [
        'CORS_ORIGINS',
        'https://a.example, http://localhost:8080,https://a.example',
        (c) => c.http.corsOrigins,
        ['https://a.example', 'http://localhost:8080'],
      ],
      [
        'DATA_DIR',
        'data',
        (c) => [c.dataDir, c.database],
        ['/srv/app/data', sqlite('/srv/app/data/accounts.sqlite')],
      ],
      ['REDIS_SERVER_BIN', '/usr/bin/redis-server', (c) => c.redisServerBin, '/usr/bin/redis-server'],
      ...[
        'redis://localhost',
        'redis://:p%40ss@10.0.0.1:6380/2',
        'rediss://user:pass@redis.example.com:6380',
        'redis://[::1]:6379',
        'unix:///run/redis/redis.sock',
        'unix:///run/my%20redis.sock?db=2',
      ].map((url): (typeof accepted)[number] => ['REDIS_URL', url, (c) => c.redis, { kind: 'single', url }]),
      ...[
        'redis+sentinel://a:26379,b:26379/mymaster',
        'rediss+sentinel://:pw@a,[::1]:5000/main/3',
        'redis+sentinel://a,b/shop?sentinelPassword=p%40ss',
        'redis+sentinel://u:pw@a,b/shop/2?sentinelUser=watch&sentinelPassword=pw',
      ].map((url): (typeof accepted)[number] => [
        'REDIS_URL',
        url,
        (c) => c.redis,
        { kind: 'sentinel', url },
      ]),
      ...['redis+cluster://10.0.0.1:7000,10.0.0.2:7001', 'rediss+cluster://a'].map(
        (url): (typeof accepted)[number] => ['REDIS_URL', url, (c) => c.redis, { kind: 'cluster', url }],
      ),
      ...['postgres://me:pw@db:5432/app', 'postgresql:///app?host=/run/postgresql&user=me'].map(
        (url): (typeof accepted)[number] => [
          'DATABASE_URL',
          url,
          (c) => c.database,
          { kind: 'postgres', url },
        ],
      ),
      ['DATABASE_URL', 'sqlite:people.db', (c) => c.database, sqlite('/srv/app/people.db')],
      ['DATABASE_URL', 'sqlite:///var/people.db', (c) => c.database, sqlite('/var/people.db')],
      ['SESSION_CACHE', 'none', (c) => c.sessions.cache, 'none'],
      ['SESSION_IDLE', '500ms', (c) => c.sessions.idleMs, 500],
      ['SESSION_ABSOLUTE', '2h', (c) => c.sessions.absoluteMs, 7_200_000],
      ['REMEMBER_ABSOLUTE', '90d', (c) => c.sessions.rememberAbsoluteMs, 90 * 86_400_000],
      ['MAX_SESSIONS_PER_USER', '10000', (c) => c.sessions.maxPerUser, 10_000],
      ['LOGIN_REVOKES', 'others', (c) => c.sessions.loginRevokes, 'others'],
      ['SESSION_DURABILITY', 'fence', (c) => c.sessions.durability, 'fence'],
      ['LEASE', '100ms', (c) => c.sessions.leaseMs, 100],
      ['LEASE', '2s', (c) => c.sessions.leaseMs, 2_000],
      ['LIMIT_API', 'off', (c) => c.limits.api, 'off'],
      ['LIMIT_LOGIN_IP', '5/30s', (c) => c.limits.loginIp, { limit: 5, windowMs: 30_000 }],
      ['LIMIT_LOGIN_ACCOUNT', '1/1d', (c) => c.limits.loginAccount, { limit: 1, windowMs: 86_400_000 }],
      ['ADMIN_EMAIL', 'root@localhost', (c) => c.admin.email, 'root@localhost'],
      ['ADMIN_PASSWORD', ' kept exactly ', (c) => c.admin.password, ' kept exactly '],
      ['MAIL_URL', 'smtps://u:p@mail.example.com:465', (c) => c.mail.url, 'smtps://u:p@mail.example.com:465'],
      ['MAIL_FROM', 'Ada <ada@example.com>', (c) => c.mail.from, 'Ada <ada@example.com>'],
      ['AUDIT_RETENTION', '365d', (c) => c.auditRetentionMs, 365 * 86_400_000],
      ['METRICS_PORT', '9464', (c) => c.metrics, { host: '127.0.0.1', port: 9464 }],
      ['METRICS_PORT', 'off', (c) => c.metrics, null],
      ['METRICS_HOST', '0.0.0.0', (c) => c.metrics, null],
      ['GRACE', '1m', (c) => c.graceMs, 60_000],
      ['JOB_GRACE', '2h', (c) => c.jobGraceMs, 7_200_000],
      ['DRAIN_DELAY', '0s', (c) => c.drainDelayMs, 0],
      ['DRAIN_DELAY', '20s', (c) => c.drainDelayMs, 20_000],
      ['TRUST_PROXY', '1', (c) => c.drainDelayMs, 5_000],
      ['LOG_LEVEL', 'silent', (c) => c.log.level, 'silent'],
      ['SCHEDULING', 'shared', (c) => c.workers.scheduling, 'shared'],
      ['WORKER_MAX_RSS', '512M', (c) => c.workers.maxRssBytes, 512 * 2 ** 20],
      ['WORKER_MAX_RSS', 'off', (c) => c.workers.maxRssBytes, null],
      ['WORKER_MAX_AGE', '24h', (c) => c.workers.maxAgeMs, 86_400_000],
    ]
  for (const [variable, text, value, expected] of accepted) {
    it(`accepts ${variable}=${text}`, () => {
      expect(value(get({ [variable]: text }))).to.deep.equal(expected)
    })
  }

  const refused: [variable: string, text: string, hint?: RegExp][] = [
    ['NODE_ENV', 'prodution'],
    ['HOST', '127.0.0.1:3000', /port has a variable of its own/],
    ['HOST', '[::1]', /without brackets/],
    ['HOST', '300.1.1.1'],
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '3000.5'],
    ['PORT', ' 3000'],
    ['PORT', '0x10'],
    ['WORKERS', '0'],
    ['WORKERS', '257'],
    ['WORKERS', 'auto'],
    ['JOB_WORKERS', '-1'],
    ['SCHEDULING', 'random'],
    ['WORKER_MAX_RSS', '512', /needs its unit/],
    ['WORKER_MAX_RSS', '1M'],
    ['WORKER_MAX_AGE', '1y'],
    ['TRUST_PROXY', 'true'],
    ['EXPOSE_WORKER', 'yes'],
    ['EXPOSE_WORKER', 'ON', /write it on/],
    ['PUBLIC_URL', 'app.example.com', /begin it with https/],
    ['PUBLIC_URL', 'https://app.example.com/base', /leave out everything after/],
    ['PUBLIC_URL', 'ftp://app.example.com'],
    ['CORS_ORIGINS', '*', /list the sites/],
    ['CORS_ORIGINS', 'https://a.example,b.example'],
    ['REDIS_URL', 'localhost:6379', /begin it with redis:/],
    ['REDIS_URL', 'http://localhost:6379'],
    ['REDIS_URL', 'redis://localhost/zero'],
    ['REDIS_URL', 'redis://:p@ss/word@host', /percent form/],
    ['REDIS_URL', 'redis://:100%@host', /percent form/],
    ['REDIS_URL', 'unix://run/redis.sock', /three slashes/],
    ['REDIS_URL', 'redis+sentinel://a,b', /name of the master/],
    ['REDIS_URL', 'redis+sentinel://a:99999/m'],
    ['REDIS_URL', 'redis+sentinel://a/m?password=x', /only sentinelPassword/],
    ['REDIS_URL', 'redis+sentinel://a/m?sentinelUser=x', /only sentinelPassword/],
    ['REDIS_URL', 'redis+sentinel://a/m?sentinelPassword=100%', /percent form/],
    ['REDIS_URL', 'redis+cluster://a:7000/1', /no database number/],
    ['DATABASE_URL', 'mysql://db/app', /only Postgres and SQLite/],
    ['DATABASE_URL', 'postgres://'],
    ['DATABASE_URL', 'sqlite::memory:', /name a file/],
    ['DATABASE_URL', 'sqlite://relative.db', /three/],
    ['SESSION_CACHE', 'lru'],
    ['SESSION_IDLE', '1800', /needs its unit/],
    ['SESSION_IDLE', '0s'],
    ['SESSION_ABSOLUTE', '1 day'],
    ['REMEMBER_ABSOLUTE', '401d'],
    ['MAX_SESSIONS_PER_USER', '0'],
    ['LOGIN_REVOKES', 'all'],
    ['SESSION_DURABILITY', 'always'],
    ['REDIS_NODES', '0'],
    ['REDIS_NODES', '16'],
    ['REDIS_IDENTITY', 'info'],
    ['LEASE', '50ms'],
    ['LEASE', '3s', undefined],
    ['LIMIT_API', '1000'],
    ['LIMIT_API', '0/1m', /off disables/],
    ['LIMIT_API', '10/60', /needs its unit/],
    ['LIMIT_LOGIN_IP', '-1/1m'],
    ['LIMIT_LOGIN_ACCOUNT', '99999999/1m'],
    ['ADMIN_EMAIL', 'root'],
    ['ADMIN_EMAIL', 'a b@example.com'],
    ['MAIL_URL', 'https://mail.example.com'],
    ['MAIL_FROM', 'Ada <ada@example.com>\r\nBcc: x@y.z'],
    ['AUDIT_RETENTION', 'forever'],
    ['METRICS_PORT', '0'],
    ['METRICS_HOST', 'http://0.0.0.0'],
    ['GRACE', '0'],
    ['GRACE', '2h'],
    ['LOG_LEVEL', 'INFO', /write it info/],
    ['LOG_LEVEL', 'verbose'],
  ]
  for (const [variable, text, hint] of refused) {
    it(`refuses ${variable}=${JSON.stringify(text)}, and says what is accepted`, () => {
      const problems = problemsOf({ [variable]: text })
      expect(problems).to.have.length(1)
      expect(problems[0]).to.match(new RegExp(`^${variable}=".*It accepts .*for example ${variable}=`, 's'))
      if (hint) expect(problems[0]).to.match(hint)
    })
  }

  it('refuses an empty value of any variable and says to unset it', () => {
    for (const variable of new Set(accepted.map(([name]) => name))) {
      expect(problemsOf({ [variable]: '' }), variable).to.have.length(1)
      expect(problemsOf({ [variable]: '' })[0]).to.match(/set but empty\. Unset it/)
    }
  })

  it('knows whether NODE_OPTIONS, which is not ours and may be empty, bounds heaps', () => {
    const isSet = (text: string) => loadConfig({ NODE_OPTIONS: text }).workers.heapIsSet
    expect(isSet('--trace-warnings --max-old-space-size=300')).to.equal(true)
    expect(isSet('--trace-warnings')).to.equal(false)
    expect(isSet('')).to.equal(false)
  })

  it('explains why a lease has a maximum', () => {
    expect(problemsOf({ LEASE: '5s' })[0]).to.match(/longest that a hung worker can delay a logout/)
  })

  it('reports all problems at once', () => {
    const problems = problemsOf({
      PORT: 'x',
      GRACE: '5',
      SESION_IDLE: '1m',
      LIMIT_PAI: 'off',
      ADMIN_EMAIL: '',
    })
    expect(problems).to.have.length(5)
  })

  it('never shows a password, also not of a malformed URL', () => {
    const env = {
      ADMIN_PASSWORD: '',
      REDIS_URL: 'redis://:hun@ter2/x@host:1/db?x=hunter2',
      DATABASE_URL: 'mysql://me:hunter2@db/app?password=hunter2',
      MAIL_URL: 'me:hunter2@mail',
    }
    const problems = problemsOf(env)
    expect(problems).to.have.length(4)
    expect(problems.join('\n')).to.not.match(/hunter2|ter2/)
  })

  it('refuses an idle time beyond an absolute one', () => {
    expect(problemsOf({ SESSION_IDLE: '2d' })[0]).to.match(
      /SESSION_IDLE=2d is longer than SESSION_ABSOLUTE=1d/,
    )
    expect(problemsOf({ REMEMBER_ABSOLUTE: '10m' })[0]).to.match(
      /SESSION_IDLE=30m is longer than REMEMBER_ABSOLUTE/,
    )
  })

  it('takes failover only with three declared nodes or more of an external Redis', () => {
    const external = { REDIS_URL: 'redis+sentinel://a,b,c/shop' }
    const failover = { ...external, SESSION_DURABILITY: 'failover' }
    expect(get({ ...failover, REDIS_NODES: '3' })).to.deep.include({ redisNodes: 3 })
    expect(get({ ...external, SESSION_DURABILITY: 'durable' }).sessions.durability).to.equal('durable')
    expect(problemsOf(failover)[0]).to.match(/needs REDIS_NODES of 3 or more, and it is not set/)
    expect(problemsOf({ ...failover, REDIS_NODES: '2' })[0]).to.match(/and REDIS_NODES=2: .*=fence/)
    const embedded: Variables[] = [
      { REDIS_NODES: '3' },
      { SESSION_DURABILITY: 'failover' },
      { SESSION_DURABILITY: 'durable' },
    ]
    for (const env of embedded) {
      expect(problemsOf(env)).to.have.length(1)
      expect(problemsOf(env)[0]).to.match(/describes an external Redis.*Set REDIS_URL/)
    }
  })

  it('tells connections to identify Redis where its scripts may not, on one server or under Sentinels', () => {
    const told = { REDIS_IDENTITY: 'connection' }
    const url = 'redis://localhost'
    expect(get({ ...told, REDIS_URL: url }).redis).to.deep.equal({
      kind: 'single',
      url,
      identity: 'connection',
    })
    expect(get({ REDIS_URL: url, REDIS_IDENTITY: 'script' }).redis).to.deep.equal({ kind: 'single', url })
    expect(problemsOf({ ...told, REDIS_IDENTITY: '' })[0]).to.match(/set but empty/)
    const sentinel = { ...told, REDIS_URL: 'redis+sentinel://a/shop', REDIS_NODES: '3' }
    expect(problemsOf({ ...sentinel, SESSION_DURABILITY: 'fence' })).to.deep.equal([])
    for (const env of [told, { ...told, REDIS_URL: 'redis+cluster://a' }, sentinel]) {
      expect(problemsOf(env)).to.have.length(1)
      expect(problemsOf(env)[0]).to.match(/^REDIS_IDENTITY=connection is not for/)
    }
  })

  it('refuses sessions in the memory of one process with more than one worker, and says what would go wrong', () => {
    const why = /logged out on worker A would live on in worker B/
    expect(problemsOf({ SESSION_CACHE: 'memory', WORKERS: '2' })[0]).to.match(why)
    expect(problemsOf({ SESSION_CACHE: 'memory' }, { cpus: 4 })[0]).to.match(/WORKERS is not set.*would be 4/)
    expect(problemsOf({ SESSION_CACHE: 'memory', WORKERS: '1' }, { cpus: 4 })).to.deep.equal([])
    expect(problemsOf({ SESSION_CACHE: 'memory' }, { cpus: 1 })).to.deep.equal([])
  })

  it('refuses in the cluster mode of pm2 what needs a primary, or one process', () => {
    const shared = { REDIS_URL: 'redis://localhost' }
    expect(problemsOf({}, { pm2Cluster: true })[0]).to.match(/^REDIS_URL is not set/)
    expect(problemsOf(shared, { pm2Cluster: true })).to.deep.equal([])
    const memory = { ...shared, SESSION_CACHE: 'memory', WORKERS: '1' }
    expect(problemsOf(memory, { pm2Cluster: true })[0]).to.match(/pm2 may run many/)
    const metrics = { ...shared, METRICS_PORT: '9464' }
    expect(problemsOf(metrics, { pm2Cluster: true })[0]).to.match(
      /^METRICS_PORT=9464 is served by the primary/,
    )
  })

  it('traces nothing unless an exporter or an endpoint is named, and nothing where tracing is disabled', () => {
    const address = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' }
    const off: Variables[] = [
      {},
      { OTEL_EXPORTER_OTLP_ENDPOINT: '' },
      { OTEL_SERVICE_NAME: 'shop', OTEL_EXPORTER_OTLP_HEADERS: 'a=b', OTEL_METRICS_EXPORTER: 'otlp' },
      { ...address, OTEL_TRACES_EXPORTER: 'none' },
      { ...address, OTEL_SDK_DISABLED: 'TRUE', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
    ]
    for (const env of off) expect(get(env).tracing, JSON.stringify(env)).to.equal(null)
    const on: Variables[] = [
      address,
      { OTEL_TRACES_EXPORTER: 'otlp' },
      { ...address, OTEL_SDK_DISABLED: 'false' },
    ]
    for (const env of on)
      expect(get(env).tracing).to.deep.equal({
        exporter: 'otlp',
        protocol: 'http/protobuf',
        propagators: ['tracecontext', 'baggage'],
      })
    const both = {
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json',
    }
    expect(get({ ...address, ...both }).tracing?.protocol).to.equal('http/json')
    expect(get({ ...address, OTEL_PROPAGATORS: 'none' }).tracing?.propagators).to.deep.equal([])
    expect(get({ OTEL_TRACES_EXPORTER: 'console' }).tracing?.exporter).to.equal('console')
  })

  for (const [name, text] of [
    ['OTEL_TRACES_EXPORTER', 'zipkin'],
    ['OTEL_SDK_DISABLED', '1'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318'],
    ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'ftp://collector'],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc'],
    ['OTEL_TRACES_SAMPLER', 'sometimes'],
    ['OTEL_TRACES_SAMPLER_ARG', '1.5'],
    ['OTEL_PROPAGATORS', 'tracecontext,b3'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'Bearer opensesame'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'key=opensesame%0A'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'key=opensesame%'],
    ['OTEL_EXPORTER_OTLP_TRACES_HEADERS', 'key=opensesame☃'],
    ['OTEL_TRACE_EXPORTER', 'otlp'],
  ] as const) {
    it(`refuses ${name}=${text} for traces`, () => {
      const problems = problemsOf({ OTEL_TRACES_EXPORTER: 'otlp', [name]: text })
      expect(problems).to.have.length(1)
      expect(problems[0]).to.match(new RegExp(`^${name}(=| is not a variable)`))
      expect(problems[0]).to.not.contain('opensesame')
    })
  }

  it('refuses metrics on the port of the server', () => {
    expect(problemsOf({ METRICS_PORT: '3000' })[0]).to.match(/Give the metrics another port/)
  })

  const misspellings = {
    SESION_CACHE: 'SESSION_CACHE',
    SESSION_IDLE_MS: 'SESSION_IDLE',
    REDIS_URI: 'REDIS_URL',
    DATABSE_URL: 'DATABASE_URL',
    WORKER: 'WORKERS',
    GRAEC: 'GRACE',
    PROT: 'PORT',
    LEASES: 'LEASE',
    CORS_ORIGIN: 'CORS_ORIGINS',
    LIMIT_APIS: 'LIMIT_API',
  }
  for (const [name, nearest] of Object.entries(misspellings)) {
    it(`takes ${name} for a misspelt ${nearest}`, () => {
      expect(problemsOf({ [name]: 'x' })).to.deep.equal([
        `${name} is not a variable of Lockstep. Did you mean ${nearest}? Otherwise unset it.`,
      ])
    })
  }

  it('refuses an unknown name of one of our families even when it resembles none', () => {
    expect(problemsOf({ LOCKSTEP_FEATURE_FLAGS: 'x' })[0]).to.match(
      /^LOCKSTEP_FEATURE_FLAGS is not a variable/,
    )
  })

  it('leaves the variables of other programs alone', () => {
    const foreign = {
      SESSION_MANAGER: 'local/host',
      HOSTNAME: 'box',
      HOSTTYPE: 'x86_64',
      RELEASE: '1',
      TRACE: '1',
      MAIL: '/var/mail/me',
      PATH: '/bin',
      PORTS: '1',
      HOME: '/root',
      REDIS_PORT: 'tcp://10.0.0.1:6379',
      LOCKSTEP_SERVICE_HOST: '10.0.0.1',
      LOCKSTEP_PORT_3000_TCP_ADDR: '10.0.0.1',
      npm_config_cache: '/tmp',
      pm_id: '0',
      NODE_OPTIONS: '--no-warnings',
    }
    expect(problemsOf(foreign)).to.deep.equal([])
  })

  it('throws nothing but a ConfigurationError, whatever the environment', () => {
    const names = accepted.map(([name]) => name)
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(...accepted.map(([, text]) => text)),
    )
    const env = fc.dictionary(
      fc.oneof(fc.constantFrom(...names), fc.string(), fc.constant('__proto__')),
      texts,
    )
    fc.assert(
      fc.property(env, (variables) => {
        for (const problem of problemsOf(variables)) expect(problem).to.be.a('string')
      }),
      { numRuns: 500 },
    )
  })

  it('does not hang on long values', () => {
    for (const [name] of accepted) {
      for (const text of [
        'a'.repeat(100_000),
        '@'.repeat(100_000),
        'redis://'.repeat(10_000),
        '<'.repeat(100_000),
      ]) {
        problemsOf({ [name]: text })
      }
    }
  })
})

describe('what the primary tells a worker', () => {
  it('is read back, and is nothing for a process that was not forked by it', () => {
    const assignment = { role: 'web', slot: 3, instance: 'kq3fJ0aB1x9c' } as const
    expect(readAssignment(assignmentEnvironment(assignment))).to.deep.equal(assignment)
    for (const env of [{}, { LOCKSTEP_ROLE: 'web' }, { LOCKSTEP_ROLE: 'king', LOCKSTEP_SLOT: '1' }]) {
      expect(readAssignment(env)).to.equal(null)
    }
  })
})

function sqlite(file: string) {
  return { kind: 'sqlite', file }
}
