/** A server of node:http that knows nothing of ours but `lockstep/cluster`. */
import { expect } from 'chai'
import { makeApplicationFolder, type ApplicationFolder } from '../support/application-folder.ts'
import { isAlive } from '../support/children.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { send } from '../support/http.ts'
import { flood } from '../support/load.ts'
import { line, runProgram, type RunningProgram } from '../support/program.ts'

const server = `
import http from 'node:http'
import { joinCluster } from 'lockstep/cluster'

const server = http.createServer((req, res) => {
  if (req.url === '/slow') return void setTimeout(() => res.end('slow'), 700)
  if (req.url === '/forever') return void res.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\\n\\n')
  res.end(JSON.stringify({ pid: process.pid, id: member.id, name: member.name }))
})
server.listen(Number(process.env.PORT), '127.0.0.1')
const member = joinCluster({ server, stop: () => console.log(JSON.stringify({ msg: 'closed ' + process.pid })) })
`

const primary = (options = '') => `
import { startCluster } from 'lockstep/cluster'
const cluster = await startCluster({ web: './server.js', workers: 2, ${options} })
if (process.env.SCALE) await cluster.scale({ web: Number(process.env.SCALE) })
console.log(JSON.stringify({ msg: 'workers', workers: cluster.workers() }))
`

describe('any server of node:http', function () {
  this.timeout(90_000)
  const cleanUp = cleanUpAfterEach()

  async function folderWith(files: Record<string, string>): Promise<ApplicationFolder> {
    const folder = await makeApplicationFolder(files)
    cleanUp(() => folder.remove())
    return folder
  }

  async function start(
    files: Record<string, string>,
    env: Record<string, string> = {},
  ): Promise<{ program: RunningProgram; url: string; folder: ApplicationFolder }> {
    const folder = await folderWith({ 'server.js': server, 'primary.js': primary(), ...files })
    const port = await freePort()
    const program = runProgram(folder.path, 'primary.js', { PORT: String(port), ...env })
    cleanUp(async () => {
      program.signal('SIGKILL')
      await program.exited
    })
    await line(program, 'workers')
    return { program, folder, url: `http://127.0.0.1:${port}` }
  }

  async function pids(url: string): Promise<Set<number>> {
    const seen = new Set<number>()
    for (let n = 0; n < 12; n++) seen.add((JSON.parse((await send(url)).body) as { pid: number }).pid)
    return seen
  }

  it('loses no request over reloads, changes of the number of workers and a stop', async () => {
    const { program, url } = await start({})
    const before = await pids(url)
    expect(before.size).to.equal(2)
    const load = flood(url)
    for (const signal of ['SIGHUP', 'SIGTTIN', 'SIGUSR2', 'SIGTTOU'] as const) {
      const done = program.logged().length
      program.signal(signal)
      await eventually(() => {
        const since = program
          .logged()
          .slice(done)
          .map(({ msg }) => msg)
        const finished =
          signal === 'SIGTTIN' ? 'worker is ready' : signal === 'SIGTTOU' ? 'worker has ended' : 'reloaded'
        expect(since).to.include(finished)
      }, 30_000)
    }
    const answered = load.answered()
    expect(await load.stop()).to.deep.equal([])
    expect(answered).to.be.greaterThan(100)
    const after = await pids(url)
    expect([...after].filter((pid) => before.has(pid))).to.deep.equal([])
    await program.stop()
    for (const pid of after) expect(isAlive(pid)).to.equal(false)
  })

  it('answers what is under way before it ends', async () => {
    const { program, url } = await start({})
    const slow = send(`${url}/slow`)
    await eventually(async () => expect((await send(url)).status).to.equal(200))
    await program.stop()
    expect((await slow).body).to.equal('slow')
    expect(program.logged().filter(({ msg }) => String(msg).startsWith('closed')).length).to.equal(2)
  })

  it('has a worker replaced that stands still', async () => {
    const { program, url } = await start({ 'primary.js': primary('hungAfterMs: 2_000') })
    const [stopped] = await pids(url)
    process.kill(Number(stopped), 'SIGSTOP')
    const { workerPid } = await line(program, 'worker hangs and is killed')
    expect(workerPid).to.equal(stopped)
    await eventually(async () => {
      const now = await pids(url)
      expect(now.size).to.equal(2)
      expect(now.has(Number(stopped))).to.equal(false)
    }, 20_000)
    await program.stop()
  })

  it('has a worker replaced that was killed', async () => {
    const { program, url } = await start({})
    const [killed] = await pids(url)
    process.kill(Number(killed), 'SIGKILL')
    await eventually(async () => {
      const now = await pids(url)
      expect([...now].filter((pid) => pid !== killed).length).to.equal(2)
    }, 20_000)
    await program.stop()
  })

  it('is told why a worker can not start, and ends', async () => {
    const broken = server.replace(
      'joinCluster({ server,',
      `joinCluster({ server, start: async () => { throw new Error('no database') },`,
    )
    const folder = await folderWith({ 'server.js': broken, 'primary.js': primary() })
    const program = runProgram(folder.path, 'primary.js', { PORT: String(await freePort()) })
    expect(await program.exited).to.equal(1)
    expect(program.output()).to.include('no database')
  })

  it('keeps the workers of before when a new build can not start', async () => {
    const { program, url, folder } = await start({})
    const before = await pids(url)
    await folder.write({ 'server.js': `throw new Error('a broken build')` })
    program.signal('SIGHUP')
    await line(program, 'the reload was aborted')
    expect(await pids(url)).to.deep.equal(before)
    await program.stop()
  })

  it('is told that a program does not call joinCluster', async () => {
    const folder = await folderWith({
      'server.js': `setInterval(() => {}, 1_000)`,
      'primary.js': primary('bootTimeoutMs: 1_500'),
    })
    const program = runProgram(folder.path, 'primary.js')
    expect(await program.exited).to.equal(1)
    expect(program.output()).to.match(/was not ready within 1500 ms.*joinCluster/)
  })

  it('changes the number of workers from its own code', async () => {
    const { program } = await start({}, { SCALE: '3' })
    const { workers } = await line(program, 'workers')
    expect(workers.map(({ id, state }: { id: string; state: string }) => [id, state])).to.deep.equal([
      ['web-1', 'ready'],
      ['web-2', 'ready'],
      ['web-3', 'ready'],
    ])
    await program.stop()
  })

  it('serves alone, without a primary, and stops on a signal as gently', async () => {
    const folder = await folderWith({ 'server.js': server })
    const port = await freePort()
    const program = runProgram(folder.path, 'server.js', { PORT: String(port) })
    const url = `http://127.0.0.1:${port}`
    await eventually(async () => expect((await send(url)).status).to.equal(200))
    const slow = send(`${url}/slow`)
    await eventually(async () => expect((await send(url)).body).to.include('"id":null'))
    await program.stop()
    expect((await slow).body).to.equal('slow')
  })

  it('refuses options that can not be meant, all at once, with exit code 78', async () => {
    const folder = await folderWith({
      'primary.js': `
import { startCluster } from 'lockstep/cluster'
await startCluster({ web: './srever.js', workers: 0, graceMs: '15s', worker: 4 })`,
    })
    const program = runProgram(folder.path, 'primary.js')
    const code = await program.exited
    expect(program.output()).to.include('workers must be a whole number from 1 to 256, not 0')
    expect(program.output()).to.include('graceMs must be a whole number')
    expect(program.output()).to.include('worker is no option of startCluster')
    expect(program.output()).to.match(/web: there is no file .*srever\.js/)
    expect(code).to.equal(78)
  })

  it('refuses to be its own primary', async () => {
    const folder = await folderWith({
      'primary.js': `
import { startCluster } from 'lockstep/cluster'
await startCluster({ web: './primary.js', workers: 1 })`,
    })
    const program = runProgram(folder.path, 'primary.js')
    expect(await program.exited).to.equal(1)
    expect(program.output()).to.include('startCluster was called in a worker')
  })
})
