import { expect } from 'chai'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'

const root = path.join(import.meta.dirname, '..', '..')
const read = (name: string) => JSON.parse(readFileSync(path.join(root, name), 'utf8'))
const run = promisify(execFile)

interface Manifest {
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly peerDependencies: Readonly<Record<string, string>>
}

const manifest = read('package.json') as Manifest

describe('what is installed in production', () => {
  /** As npm decides it: what the lock file marks for development is left out. */
  const production = Object.entries(read('package-lock.json').packages as Record<string, { dev?: boolean }>)
    .filter(([place, { dev }]) => place !== '' && !dev)
    .map(([place]) => place.replace(/^.*node_modules\//, ''))

  it('is no compiler: neither TypeScript nor what would bring it', () => {
    expect(production).to.include('koa')
    expect(production.filter((name) => name === 'typescript' || name === 'valibot')).to.deep.equal([])
  })
})

describe('the tarball of lockstep', function () {
  this.timeout(30_000)
  let files: string[]

  before(async () => {
    const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: root })
    files = (JSON.parse(stdout) as [{ files: { path: string }[] }])[0].files.map(({ path }) => path)
  })

  it('has every file that it exports, and types first', () => {
    for (const [name, conditions] of Object.entries(manifest.exports)) {
      if (typeof conditions === 'string') continue
      expect(Object.keys(conditions)[0], name).to.equal('types')
      expect(files, name).to.include.members(
        [conditions.types, conditions.default].map((file) => file?.slice(2)),
      )
    }
  })

  it('has every script of Redis', async () => {
    const scripts = await readdir(path.join(root, 'shared'), { recursive: true })
    const expected = scripts.filter((name) => name.endsWith('.lua')).map((name) => `dist/shared/${name}`)
    expect(expected.length).to.be.above(40)
    expect(files).to.include.members(expected)
  })

  it('installs and builds nothing: no bootstrap, no sources, no tests', () => {
    const foreign = /bootstrap|^server\/start\.js$|(?<!\.d)\.ts$|^(test|bench|shared|workers)\/|package-lock/
    expect(files.filter((name) => foreign.test(name) && !name.startsWith('dist/vendor/'))).to.deep.equal([])
    expect(Object.keys(read('package.json').scripts)).not.to.include.members([
      'postinstall',
      'install',
      'prepare',
    ])
  })
})

describe('the tarball of the parts', function () {
  this.timeout(60_000)
  let folder: string
  let parts: Manifest

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'lockstep-pack-'))
    await run(process.execPath, ['server/bootstrap/pack-parts.js', folder], { cwd: root })
    const [tarball = ''] = await readdir(folder)
    const { stdout } = await run('tar', ['xzOf', path.join(folder, tarball), 'package/package.json'])
    parts = JSON.parse(stdout) as Manifest
  })
  after(() => rm(folder, { recursive: true, force: true }))

  it('has the subpaths that need no server of ours', () => {
    const own = Object.keys(manifest.exports).filter((name) => name !== '.' && name !== './testing')
    expect(Object.keys(parts.exports)).to.have.members(own)
  })

  it('brings what its files import, and nothing that only accounts, the dashboard or traces need', () => {
    const known = [
      '@types/koa',
      'bullmq',
      'cron-parser',
      'ioredis',
      'lru-cache',
      'pino',
      'pino-pretty',
      'zod',
    ]
    const brought = Object.keys({ ...parts.dependencies, ...parts.peerDependencies })
    expect(brought.filter((name) => !known.includes(name))).to.deep.equal([])
    expect(brought).to.include.members(['@types/koa', 'ioredis', 'lru-cache'])
  })
})

describe('the exported modules', function () {
  this.timeout(30_000)

  it('can be required, so none of them waits for something while it is loaded', async () => {
    const names = Object.keys(manifest.exports).filter((name) => name !== './package.json')
    const requires = names.map((name) => `require(${JSON.stringify(name.replace(/^\./, 'lockstep'))})`)
    await run(process.execPath, ['--input-type=commonjs', '-e', requires.join(';')], { cwd: root })
  })
})
