import { expect } from 'chai'
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = path.join(import.meta.dirname, '..', '..')
const bundle = path.join(root, 'dist', 'bundle')

describe('the bundle that the server runs', function () {
  this.timeout(60_000)
  let directory: string

  before(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'lockstep-bundle-'))
    await mkdir(path.join(directory, 'node_modules'))
    await symlink(root, path.join(directory, 'node_modules', 'lockstep'))
    await writeFile(
      path.join(directory, 'app.mjs'),
      `import { requireIdentity } from 'lockstep'
       process.stdout.write(import.meta.resolve('lockstep') + '\\n')
       try { requireIdentity(null) } catch (cause) { process.stdout.write(cause.stack) }`,
    )
  })

  after(() => rm(directory, { recursive: true, force: true }))

  it('gives an application the modules that the server itself uses', async () => {
    const args = ['--conditions=lockstep-bundle', path.join(directory, 'app.mjs')]
    const { stdout } = await run(process.execPath, args)
    const [resolved = ''] = stdout.split('\n')
    expect(resolved).to.match(/\/dist\/bundle\/shared\/app\/index\.js$/)
    // Where the context of a request is read: a file that the program of the workers loads too.
    const [, shared = ''] = /dist\/bundle\/(chunks\/[\w-]+\.js)/.exec(stdout.replace(resolved, '')) ?? []
    expect(existsSync(path.join(bundle, shared)), stdout).to.equal(true)
    expect(reachable('server/main.js')).to.include(shared)
  })

  it('says for each package in it under which licence it came', () => {
    const licences = readFileSync(path.join(bundle, 'LICENSES.txt'), 'utf8')
    for (const name of ['bullmq', 'ioredis', 'koa', 'zod']) {
      expect(licences).to.match(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(MIT\\)$`, 'm'))
    }
  })

  it('holds each package once', () => {
    const sources = readdirSync(path.join(bundle, 'chunks'))
      .filter((name) => name.endsWith('.map'))
      .flatMap((name) => {
        const { sources } = JSON.parse(readFileSync(path.join(bundle, 'chunks', name), 'utf8'))
        return sources as string[]
      })
    const queues = sources.filter((source) => /bullmq\/.*\/queue\.[jt]s$/.test(source))
    expect(queues).to.have.length(1)
  })

  /** The files that a file of the bundle loads, now or later. */
  function reachable(file: string, seen = new Set<string>()): Set<string> {
    if (seen.has(file)) return seen
    seen.add(file)
    const code = readFileSync(path.join(bundle, file), 'utf8')
    for (const [, target = ''] of code.matchAll(/(?:from|import\(?)\s*"(\.{1,2}\/[^"]+\.js)"/g)) {
      reachable(path.join(path.dirname(file), target), seen)
    }
    return seen
  }
})
