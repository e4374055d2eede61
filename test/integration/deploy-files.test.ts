import { expect } from 'chai'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parse, parseAllDocuments } from 'yaml'
import { healthRoutes } from '../../server/web/features/health/health.ts'
import { createReadiness } from '../../server/web/features/health/readiness.ts'
import { loadConfig, type Config } from '../../shared/config/config.ts'
import { catalogue } from '../../shared/telemetry/metrics/catalogue.ts'

const root = path.join(import.meta.dirname, '..', '..')
const read = (...file: string[]) => readFileSync(path.join(root, ...file), 'utf8')
const deployFile = (name: string) => read('docs', 'deploy', name)

/** What the primary takes after its workers have used up their grace. */
const closingMs = 5_000

/** The first group of every match. */
function all(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, found = '']) => found)
}

function variables(assignments: readonly string[]): Record<string, string> {
  return Object.fromEntries(assignments.map((one) => one.split(/[=]\s*(.*)/s, 2) as [string, string]))
}

describe('the files for deployment', () => {
  const unit = deployFile('lockstep.service')
  const dockerfile = deployFile('Dockerfile')
  const compose = deployFile('compose.yaml')
  const kubernetes = deployFile('kubernetes.yaml')

  it('name metrics that exist', () => {
    const texts = [deployFile('grafana-dashboard.json'), deployFile('prometheus-alerts.yaml')]
    const names = new Set(texts.flatMap((text) => all(text, /\b(lockstep_[a-z_]+)/g)))
    expect(names.size).to.be.greaterThan(20)
    const known = Object.entries(catalogue).flatMap(([name, { type }]) =>
      type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    )
    expect([...names].filter((name) => !known.includes(name))).to.deep.equal([])
  })

  it('include a dashboard without two panels in one place', () => {
    const { panels } = JSON.parse(deployFile('grafana-dashboard.json'))
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }: any) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`),
    )
    expect(new Set(cells).size).to.equal(cells.length)
    expect(new Set(panels.map(({ id }: any) => id)).size).to.equal(panels.length)
    for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).to.be.at.most(24)
  })

  it('set variables that the server understands', () => {
    const inUnit = variables(all(unit, /^Environment=(.+)$/gm))
    const inImage = variables((/^ENV (.+)$/m.exec(dockerfile)?.[1] ?? '').split(' '))
    const service = compose.slice(compose.indexOf('environment:'), compose.indexOf('haproxy:'))
    const inCompose = Object.fromEntries(
      [...service.matchAll(/^ {6}([A-Z_]+): '?(.+?)'?$/gm)].map(([, name, value = '']) => [
        name,
        value
          .replace(/\$\{ADMIN_EMAIL:[^}]*\}/, 'a@example.com')
          .replace(/\$\{[^}]*\}/g, 'a-long-enough-one'),
      ]),
    )
    expect(Object.keys(inCompose)).to.include.members(['REDIS_URL', 'DATABASE_URL', 'METRICS_PORT'])
    expect(understood(inUnit).dataDir).to.equal('/var/lib/lockstep')
    expect(understood({ ...inImage, ...inCompose })).to.deep.include({ dataDir: '/data', production: true })
  })

  function understood(env: Record<string, string>): Config {
    expect(Object.keys(env)).to.not.be.empty
    return loadConfig(env, { cpus: 2 })
  }

  it('give the server the time that it needs to stop', async () => {
    const stopMs = ({ drainDelayMs, graceMs, jobGraceMs }: Config) =>
      drainDelayMs + Math.max(graceMs, jobGraceMs) + closingMs
    const behindProxy = stopMs(loadConfig({ TRUST_PROXY: '1' }, { cpus: 2 }))
    const seconds = [
      /^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1],
      /stop_grace_period: (\d+)s/.exec(compose)?.[1],
      /--stop-timeout (\d+)/.exec(dockerfile)?.[1],
    ]
    for (const given of seconds) expect(Number(given) * 1_000).to.be.greaterThan(behindProxy)
    const { apps } = await import('../../ecosystem.config.js' as string)
    expect(apps[0].kill_timeout).to.be.greaterThan(stopMs(loadConfig({}, { cpus: 2 })))

    const { terminationGracePeriodSeconds, containers } = deployment().spec.template.spec
    const [container] = containers
    const preStopMs = Number(container.lifecycle.preStop.exec.command[1]) * 1_000
    const inPod = understood(variablesOf(container))
    expect(preStopMs).to.be.greaterThan(0)
    expect(terminationGracePeriodSeconds * 1_000).to.be.greaterThan(preStopMs + stopMs(inPod))
  })

  it('ask a pod by probes that exist, run nobody special, and set variables that the server understands', () => {
    const { containers, securityContext } = deployment().spec.template.spec
    const [container] = containers
    const probes = [container.startupProbe, container.readinessProbe, container.livenessProbe]
    expect(probes.map(({ httpGet }) => httpGet.path)).to.deep.equal(['/startupz', '/readyz', '/livez'])
    const ports = Object.fromEntries(
      container.ports.map(({ name, containerPort }: any) => [name, containerPort]),
    )
    expect(ports).to.deep.equal({ http: 3000, metrics: 9464 })
    expect(probes.every(({ httpGet }) => httpGet.port in ports)).to.equal(true)
    expect(securityContext.runAsNonRoot).to.equal(true)
    const config = understood(variablesOf(container))
    expect(config.dataDir).to.not.equal('/data')
    expect(config.http.trustProxy).to.equal(1)
    const kinds = parseAllDocuments(kubernetes).map((one) => [one.errors, one.toJS().kind])
    expect(kinds).to.deep.equal([
      [[], 'Deployment'],
      [[], 'Service'],
      [[], 'PodDisruptionBudget'],
    ])
    expect(deployment().spec.strategy.rollingUpdate).to.deep.equal({ maxSurge: 1, maxUnavailable: 0 })
  })

  it('let two containers run side by side, behind a proxy that notices a drain before it ends', () => {
    const { services } = parse(compose)
    for (const owned of ['ports', 'container_name', 'volumes', 'init']) {
      expect(services.lockstep).to.not.have.property(owned)
    }
    expect(services.haproxy.ports).to.deep.equal(['3000:3000'])
    const proxy = deployFile('haproxy.cfg')
    const [, everyS, fall] = /check inter (\d+)s fall (\d+)/.exec(proxy) ?? []
    const { drainDelayMs, http } = understood({
      TRUST_PROXY: '1',
      DRAIN_DELAY: services.lockstep.environment.DRAIN_DELAY,
    })
    expect(drainDelayMs).to.be.greaterThan(Number(everyS) * Number(fall) * 1_000)
    expect(http.trustProxy).to.equal(1)
    expect(proxy).to.include('GET /readyz')
    expect(dockerfile)
      .to.match(/install .*\btini\b/)
      .and.match(/^ENTRYPOINT \["tini", "--"\]$/m)
  })

  function deployment() {
    return parseAllDocuments(kubernetes)[0]!.toJS()
  }

  function variablesOf({ env }: { env: { name: string; value: string }[] }): Record<string, string> {
    return Object.fromEntries(env.map(({ name, value }) => [name, value]))
  }

  it('start and reload programs that the build makes', () => {
    const started = [
      ...all(unit, /^Exec\w+=\/usr\/bin\/node (\S+)/gm),
      ...all(dockerfile, /^CMD \["node", "([^"]+)"/gm),
    ]
    expect(started).to.have.length(3)
    for (const program of started) {
      const source = program.replace(/^dist\/(bundle\/)?/, '').replace(/\.js$/, '.ts')
      expect(existsSync(path.join(root, source)), program).to.equal(true)
    }
  })

  it('build an image of everything that the build reads, which runs as nobody special and tells its health', () => {
    const copied = all(dockerfile, /^COPY (?!--from)(.+) \S+$/gm).flatMap((files) => files.split(' '))
    const wanted = ['package.json', 'package-lock.json', 'tsconfig.json', 'server', 'workers', 'shared']
    expect(copied.toSorted()).to.deep.equal(wanted.toSorted())
    const sent = all(deployFile('Dockerfile.dockerignore'), /^!(.+)$/gm)
    expect(sent.toSorted()).to.deep.equal(wanted.toSorted())
    expect(dockerfile).to.match(/^USER node$/m)
    const livez = healthRoutes(createReadiness({})).map((route) => route.path)
    expect(livez).to.include(/127\.0\.0\.1:\$\{process\.env\.PORT\}(\/\w+)/.exec(dockerfile)?.[1])
  })

  it('run a Redis that neither evicts sessions nor forgets logouts', () => {
    expect(compose).to.contain('--appendonly yes --appendfsync always --maxmemory-policy noeviction')
  })

  it('are all told of in the documentation', () => {
    const told = read('docs', 'deployment.md') + read('docs', 'metrics.md')
    const files = readdirSync(path.join(root, 'docs', 'deploy')).filter((name) => !name.endsWith('ignore'))
    for (const name of files) expect(told).to.contain(`deploy/${name}`)
  })
})

describe('the page about metrics', () => {
  it('explains each metric in the words of the catalogue', () => {
    const rows = all(read('docs', 'metrics.md'), /^\| (`lockstep_.+) \|$/gm)
    const told = rows.map((row) => row.split('|').map((cell) => cell.trim()))
    const meant = Object.entries(catalogue).map(([name, { type, help }]) => [`\`${name}\``, type, help])
    expect(told).to.deep.equal(meant)
  })
})
