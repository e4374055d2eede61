import { spawn, type ChildProcess } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect } from 'chai'
import { trackChild } from '../support/children.ts'
import { eventually } from '../support/eventually.ts'
import { copyExample, type Example } from '../support/example.ts'
import { freePort } from '../support/free-port.ts'
import { shareRedisServer } from '../support/cluster.ts'

describe('lockstep dev', function () {
  this.timeout(120_000)
  let example: Example
  let server: ChildProcess
  let url: string
  let output = ''

  before(async () => {
    example = await copyExample('shortener')
    const port = await freePort()
    url = `http://127.0.0.1:${port}`
    // What a developer keeps beside the application.
    await writeFile(
      path.join(example.directory, '.env'),
      `PORT=${port}\nADMIN_EMAIL=admin@example.com\nADMIN_PASSWORD="nine green umbrellas"\nLINKS_FILE=dev.sqlite\n`,
    )
    await shareRedisServer(path.join(example.directory, '.lockstep'))
    const { PATH, HOME, TMPDIR } = process.env
    const bin = path.join(example.directory, 'node_modules', 'lockstep', 'server', 'lockstep.js')
    server = spawn(process.execPath, [bin, 'dev', './app.js'], {
      cwd: example.directory,
      env: { PATH, HOME, TMPDIR },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    trackChild(server.pid ?? 0, 'lockstep dev')
    for (const stream of [server.stdout, server.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (output += text))
    }
    await eventually(() => expect(output).to.contain('listening'), 60_000)
  })

  after(async () => {
    const ended = new Promise((resolve) => server.once('close', resolve))
    server.kill('SIGTERM')
    await ended
    await example.remove()
  })

  async function edit(file: string, change: (text: string) => string): Promise<void> {
    const absolute = path.join(example.directory, file)
    await writeFile(absolute, change(await readFile(absolute, 'utf8')))
  }

  async function summaryOf(route: string): Promise<string> {
    const { paths } = (await (await fetch(`${url}/openapi.json`)).json()) as {
      paths: Record<string, { post?: { summary: string } }>
    }
    return paths[route]?.post?.summary ?? ''
  }

  it('reads .env, and serves a saved change', async () => {
    expect(await summaryOf('/api/links')).to.equal('Shorten a link')
    await edit('routes.js', (text) => text.replace('Shorten a link', 'Make a link short'))
    await eventually(async () => expect(await summaryOf('/api/links')).to.equal('Make a link short'), 20_000)
  })

  it('goes on with the last good version after a broken save, and shows what is wrong with it', async () => {
    await edit('routes.js', (text) => `${text}\nthis is no JavaScript`)
    await eventually(() => expect(output).to.match(/routes\.js:\d+/), 20_000)
    expect(await summaryOf('/api/links')).to.equal('Make a link short')
    await edit('routes.js', (text) =>
      text.replace('\nthis is no JavaScript', '').replace('Make a link short', 'Mended'),
    )
    await eventually(async () => expect(await summaryOf('/api/links')).to.equal('Mended'), 20_000)
  })
})

describe('lockstep dev of an application in JavaScript', function () {
  this.timeout(60_000)

  it('loads it as start does, with or without a package.json', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'lockstep-dev-'))
    try {
      await cp(path.resolve('test', 'fixtures', 'demo', 'app.js'), path.join(directory, 'app.js'))
      await mkdir(path.join(directory, 'node_modules'))
      await symlink(path.resolve('.'), path.join(directory, 'node_modules', 'lockstep'))
      const { PATH, HOME, TMPDIR } = process.env
      const bin = path.join(directory, 'node_modules', 'lockstep', 'server', 'lockstep.js')
      const child = spawn(process.execPath, [bin, 'dev', './app.js'], {
        cwd: directory,
        env: { PATH, HOME, TMPDIR },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      trackChild(child.pid ?? 0, 'lockstep dev')
      let said = ''
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding('utf8').on('data', (text: string) => (said += text))
      const code = await new Promise((resolve) => child.once('close', resolve))
      // So it was loaded: only what it needs is missing.
      expect(said).to.contain('STEP is not set')
      expect(said).not.to.contain('CommonJS')
      expect(code).to.equal(78)
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })
})
