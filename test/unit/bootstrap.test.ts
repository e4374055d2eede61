import { expect } from 'chai'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isAlive, trackChild } from '../support/children.ts'

const bootstrap = resolve('server', 'bootstrap')

describe('The set-up lock', () => {
  let root: string
  let diary: string

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'lockstep-lock-'))
    diary = join(root, 'diary')
  })

  afterEach(() => rm(root, { recursive: true, force: true }))

  /** A process that notes when it comes into the lock and when it goes. */
  async function visit(name: string): Promise<void> {
    const script = `
      import { appendFileSync } from 'node:fs'
      import { setTimeout as pause } from 'node:timers/promises'
      import { withSetUpLock } from ${JSON.stringify(pathToFileURL(join(bootstrap, 'set-up-lock.js')).href)}
      const note = (word) => appendFileSync(${JSON.stringify(diary)}, word + ' ${name}\\n')
      await withSetUpLock(${JSON.stringify(root)}, async () => {
        note('in')
        await pause(50)
        note('out')
      })`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' })
    trackChild(child.pid!, 'a visitor of the set-up lock')
    await once(child, 'exit')
  }

  async function expectOneAtATime(visits: number): Promise<void> {
    const lines = (await readFile(diary, 'utf8')).trim().split('\n')
    expect(lines).to.have.length(2 * visits)
    for (let i = 0; i < lines.length; i += 2) expect(lines[i + 1]).to.equal(lines[i]!.replace('in', 'out'))
    expect(await readdir(root)).to.deep.equal(['diary'])
  }

  it('lets one process in at a time, and leaves nothing behind', async () => {
    await Promise.all(['a', 'b', 'c'].map(visit))
    await expectOneAtATime(3)
  })

  it('is taken over from an owner that was killed, by one process only', async () => {
    const { pid } = spawnSync(process.execPath, ['-e', ''])
    expect(isAlive(pid)).to.equal(false)
    await mkdir(join(root, '.lockstep-set-up'))
    await writeFile(join(root, '.lockstep-set-up', `${pid}-abcd`), '')

    await Promise.all(['a', 'b', 'c'].map(visit))
    await expectOneAtATime(3)
  })
})

describe('Whether the dependencies are installed', () => {
  let root: string
  let isInstalled: (root: string, development: boolean) => boolean

  before(async () => {
    const module = (await import(pathToFileURL(join(bootstrap, 'dependencies.js')).href)) as {
      isInstalled: typeof isInstalled
    }
    isInstalled = module.isInstalled
  })

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'lockstep-installed-'))
    await mkdir(join(root, 'node_modules'))
    await lock('package-lock.json', {
      '': {},
      'node_modules/koa': { version: '3.3.0' },
      'node_modules/mocha': { version: '12.0.3', dev: true },
      'node_modules/fsevents': { version: '2.3.3', optional: true },
    })
  })

  afterEach(() => rm(root, { recursive: true, force: true }))

  const lock = (name: string, packages: object) => writeFile(join(root, name), JSON.stringify({ packages }))
  const installed = (packages: object) => lock(join('node_modules', '.package-lock.json'), packages)

  it('is so when each has the version of the lock file, optional ones aside', async () => {
    await installed({ 'node_modules/koa': { version: '3.3.0' }, 'node_modules/mocha': { version: '12.0.3' } })
    expect(isInstalled(root, true)).to.equal(true)
  })

  it('is not so when one has another version', async () => {
    await installed({ 'node_modules/koa': { version: '3.2.0' }, 'node_modules/mocha': { version: '12.0.3' } })
    expect(isInstalled(root, true)).to.equal(false)
  })

  it('is so for production only, when those for development were left out', async () => {
    await installed({ 'node_modules/koa': { version: '3.3.0' } })
    expect(isInstalled(root, false)).to.equal(true)
    expect(isInstalled(root, true)).to.equal(false)
  })

  it('is not so when npm never came to the end, or its record is broken', async () => {
    expect(isInstalled(root, true)).to.equal(false)
    await appendFile(join(root, 'node_modules', '.package-lock.json'), '{"pack')
    expect(isInstalled(root, true)).to.equal(false)
  })

  it('names the lock file when that is what is broken', async () => {
    await installed({})
    await writeFile(join(root, 'package-lock.json'), 'x')
    expect(() => isInstalled(root, true)).to.throw('package-lock.json is missing or broken')
  })
})
