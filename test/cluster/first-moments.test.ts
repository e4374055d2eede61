import { expect } from 'chai'
import { spawn, spawnSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { trackChild } from '../support/children.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { builtMain } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'

const repository = path.join(import.meta.dirname, '..', '..')
const { PATH, HOME } = process.env

describe('the first moments of a process', function () {
  this.timeout(60_000)
  const cleanUp = cleanUpAfterEach()

  /** Runs a program until it prints this, and sends it every signal that means something later. */
  async function signalled(args: string[], cwd: string, printed: string, more: object = {}) {
    const child = spawn(process.execPath, args, {
      cwd,
      env: { PATH, HOME, DATA_DIR: cwd, PORT: '0', REDIS_URL: 'nonsense', ...more },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    trackChild(child.pid ?? 0, 'a process in its first moments')
    cleanUp(() => void child.kill('SIGKILL'))
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text) => (output += String(text)))
    await eventually(() => expect(output).to.contain(printed), 20_000)
    for (const signal of ['SIGHUP', 'SIGUSR2', 'SIGTTIN', 'SIGTTOU'] as const) child.kill(signal)
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
      child.once('exit', (...end) => resolve(end))
    })
    return { code, signal, output: () => output }
  }

  /** Loads a file of the program slowly, and says so. */
  const slowly = (name: string) => {
    const loader =
      `export async function load(url, context, next) { if (url.includes('/${name}')) { ` +
      `process._rawDebug('loading'); await new Promise((resolve) => setTimeout(resolve, 1000)) } ` +
      `return next(url, context) }`
    const register = `import { register } from 'node:module'; register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(loader)}))`
    return ['--import', `data:text/javascript,${encodeURIComponent(register)}`]
  }

  for (const [what, file, loaded] of [
    ['the server', builtMain, 'chunks/primary-'],
    ['a job worker', path.join(builtMain, '..', '..', 'workers', 'main.js'), 'chunks/run-job-worker-'],
  ] as const) {
    it(`do not let a reload that comes too early end ${what}`, async () => {
      const cwd = await mkdtemp(path.join(tmpdir(), 'lockstep-early-'))
      cleanUp(() => rm(cwd, { recursive: true, force: true }))
      const { code, signal } = await signalled([...slowly(loaded), file], cwd, 'loading')
      // It came as far as its configuration, which is wrong.
      expect({ code, signal }).to.deep.equal({ code: 78, signal: null })
    })
  }

  it('do not let a reload end npm start while it builds', async () => {
    const root = await mkdtemp(path.join(tmpdir(), 'lockstep-early-'))
    cleanUp(() => rm(root, { recursive: true, force: true }))
    const write = async (name: string, text: string) => {
      await mkdir(path.dirname(path.join(root, name)), { recursive: true })
      await writeFile(path.join(root, name), text)
    }
    await cp(path.join(repository, 'server', 'bootstrap'), path.join(root, 'server', 'bootstrap'), {
      recursive: true,
    })
    await cp(path.join(repository, 'server', 'start.js'), path.join(root, 'server', 'start.js'))
    await write('package.json', '{"type":"module"}')
    await write('tsconfig.json', '{}')
    for (const lock of ['package-lock.json', 'node_modules/.package-lock.json'])
      await write(lock, '{"packages":{}}')
    // Stands in for the compiler.
    const compiler =
      `const { mkdirSync, writeFileSync } = require('node:fs')\n` +
      `const { dirname } = require('node:path')\n` +
      `const out = process.argv[process.argv.indexOf('--outDir') + 1]\n` +
      `const write = (name, code) => { ` +
      `mkdirSync(dirname(out + name), { recursive: true }); writeFileSync(out + name, code) }\n` +
      `setTimeout(() => { ` +
      `for (const name of ['/server/entries/check.js', '/workers/main.js', '/shared/app/index.js']) write(name, ''); ` +
      `write('/server/main.js', "console.log('it runs'); process.disconnect()") }, 1000)`
    await write('node_modules/typescript/package.json', '{"type":"commonjs"}')
    await write('node_modules/typescript/bin/tsc', compiler)
    // What the build puts together besides.
    for (const name of ['esbuild', '@bull-board', 'bullmq']) {
      await symlink(path.join(repository, 'node_modules', name), path.join(root, 'node_modules', name))
    }
    const started = await signalled([path.join(root, 'server', 'start.js')], root, 'Building ...')
    expect(started.output()).to.contain('it runs')
    expect({ code: started.code, signal: started.signal }).to.deep.equal({ code: 0, signal: null })
  })

  it('name the limit of open files when it is too low to start', async () => {
    const cwd = await mkdtemp(path.join(tmpdir(), 'lockstep-files-'))
    cleanUp(() => rm(cwd, { recursive: true, force: true }))
    const { status, stderr } = spawnSync(
      'sh',
      ['-c', `ulimit -n 256; exec "$0" "$1"`, process.execPath, builtMain],
      {
        env: { PATH, HOME, DATA_DIR: cwd, PORT: '0' },
        encoding: 'utf8',
        timeout: 30_000,
      },
    )
    // Only Linux tells the limit.
    if (process.platform !== 'linux') return
    expect(status).to.equal(78)
    expect(stderr).to.match(/only 256 files .*ulimit -n.*at least 512/)
  })
})
