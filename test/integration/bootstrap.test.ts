import { expect } from 'chai'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { trackChild } from '../support/children.ts'

/** Stands for the server: what matters here is that it is reached, and that the process is its own. */
const main = `
import { greeting } from '../shared/greeting.ts'
process.once('SIGTERM', () => process.exit(7))
if (process.argv.includes('stay')) setInterval(() => {}, 60_000)
process.stdout.write(\`\${greeting} \${process.argv.slice(2).join(' ')}\\n\`)
`

describe('npm start in a fresh checkout', function () {
  this.timeout(180_000)
  let root: string

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'lockstep-checkout-'))
    for (const file of ['package.json', 'package-lock.json', 'tsconfig.json'])
      await copyFile(file, join(root, file))
    await cp('server/bootstrap', join(root, 'server', 'bootstrap'), { recursive: true })
    await copyFile('server/start.js', join(root, 'server', 'start.js'))
    await mkdir(join(root, 'shared', 'lua'), { recursive: true })
    await writeFile(join(root, 'server', 'main.ts'), main)
    for (const entry of ['server/entries/check.ts', 'workers/main.ts', 'shared/app/index.ts']) {
      await mkdir(dirname(join(root, entry)), { recursive: true })
      await writeFile(join(root, entry), 'export {}\n')
    }
    await writeFile(join(root, 'shared', 'greeting.ts'), `export const greeting: string = 'hello'\n`)
    await writeFile(join(root, 'shared', 'lua', 'one.lua'), 'return 1\n')
  })

  after(() => rm(root, { recursive: true, force: true }))

  function launch(...args: string[]) {
    const child = spawn(process.execPath, ['server/start.js', ...args], { cwd: root })
    trackChild(child.pid!, 'npm start')
    let out = ''
    let told = ''
    child.stdout.on('data', (chunk) => (out += String(chunk)))
    child.stderr.on('data', (chunk) => (told += String(chunk)))
    const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, out, told }))
    return { child, ended }
  }

  const start = (...args: string[]) => launch(...args).ended

  it('installs, builds and becomes the server; after that it builds only what changed', async () => {
    const { code, out, told } = await start('a', 'b')
    expect({ code, out }).to.deep.equal({ code: 0, out: 'hello a b\n' })
    // Between the steps, how far a long one is.
    const steps = told.split('\n').filter((line) => !line.startsWith('  '))
    expect(steps[0]).to.match(/^Installing \d+ dependencies \(npm ci\), .*; then the build/)
    expect(steps.slice(1)).to.deep.equal(['Building ...', ''])
    expect(await readFile(join(root, 'dist', 'shared', 'lua', 'one.lua'), 'utf8')).to.equal('return 1\n')

    // A second start finds all as it should be.
    expect(await start()).to.deep.equal({ code: 0, out: 'hello \n', told: '' })

    // Signals and exit codes are the server's own.
    const staying = launch('stay')
    await once(staying.child.stdout, 'data')
    staying.child.kill('SIGTERM')
    expect((await staying.ended).code).to.equal(7)

    // A build that fails says why, starts nothing, and leaves the one of before.
    const greeting = join(root, 'shared', 'greeting.ts')
    await writeFile(greeting, `export const greeting: string = 1\n`)
    const failed = await start()
    expect(failed.code).to.equal(1)
    expect(failed.told).to.include('shared/greeting.ts').and.include('The build failed')
    expect(await readFile(join(root, 'dist', 'shared', 'greeting.js'), 'utf8')).to.include('hello')

    // Killed in the middle of a build, and then started three times at once: one of them builds.
    await writeFile(greeting, `export const greeting: string = 'good day'\n`)
    const killed = launch()
    await once(killed.child.stderr, 'data')
    killed.child.kill('SIGKILL')
    await killed.ended
    const together = await Promise.all([start('1'), start('2'), start('3')])
    expect(together.map(({ code, out }) => [code, out])).to.deep.equal([
      [0, 'good day 1\n'],
      [0, 'good day 2\n'],
      [0, 'good day 3\n'],
    ])
    expect(together.filter(({ told }) => told.includes('Building'))).to.have.length(1)
    expect((await readdir(root)).filter((name) => name.startsWith('.'))).to.deep.equal([])

    // Built once more from the same sources it is the same release; an asset alone makes it stale, and a newer one.
    const release = () => readFile(join(root, 'dist', '.release'), 'utf8').then(Number)
    const first = await release()
    expect(first).to.be.above(Date.parse('2026-01-01'))
    await rm(join(root, 'dist', 'server', 'main.js'))
    const build = spawn(process.execPath, ['server/bootstrap/build.js'], { cwd: root, stdio: 'ignore' })
    trackChild(build.pid!, 'npm run build')
    expect((await once(build, 'close'))[0]).to.equal(0)
    expect(await release()).to.equal(first)
    await appendFile(join(root, 'shared', 'lua', 'one.lua'), '-- more\n')
    expect((await start()).told).to.match(/^Building \.\.\.\n(?: {2}.*\n)*$/)
    expect(await release()).to.be.above(first)
  })
})
