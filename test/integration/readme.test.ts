/**
 * What a newcomer copies from the README works, and prints what the README shows. Blocks marked `sh` are run in
 * order, in one shell, the server in the background; a block marked `console` shows what those before it print.
 */
import { expect } from 'chai'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { trackChild } from '../support/children.ts'
import { shareRedisServer } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { send } from '../support/http.ts'
import { recordOutput, recordSecret } from '../support/run-records.ts'

const root = path.join(import.meta.dirname, '..', '..')
const readme = readFileSync(path.join(root, 'README.md'), 'utf8')

interface Block {
  readonly language: string
  readonly text: string
}

function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language = '', text = '']) => ({
    language,
    text,
  }))
}

const startsTheServer = ({ language, text }: Block) => language === 'sh' && text.includes('npm start')

describe('the README', function () {
  // The server may have to be built first.
  this.timeout(120_000)
  const blocks = blocksOf(readme)
  let dataDir: string
  let environment: Record<string, string | undefined>
  let server: ChildProcess | undefined

  before(async () => {
    dataDir = await mkdtemp(path.join(tmpdir(), 'lockstep-readme-'))
    await shareRedisServer(dataDir)
    const { PATH, HOME, TMPDIR } = process.env
    const PORT = String(await freePort())
    environment = { PATH, HOME, TMPDIR, PORT, DATA_DIR: dataDir, WORKERS: '2' }
    for (const [, password] of readme.matchAll(/PASSWORD='([^']+)'/g)) recordSecret(password)
  })
  after(async () => {
    if (server?.pid !== undefined && server.exitCode === null) process.kill(-server.pid, 'SIGKILL')
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 })
  })

  /** In a process group of its own, so that everything it starts can be ended together, as by Ctrl-C. */
  function shell(script: string): ChildProcess {
    const child = spawn('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: root,
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    trackChild(child.pid ?? 0, 'a command of the README')
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', recordOutput)
    return child
  }

  it('starts the server with one command', async () => {
    const start = blocks.find(startsTheServer) ?? expect.fail('no block marked sh has npm start')
    server = shell(start.text)
    await eventually(async () => {
      expect(server?.exitCode, 'the exit code of npm start').to.equal(null)
      expect((await send(`http://127.0.0.1:${environment.PORT}/readyz`)).status).to.equal(200)
    }, 100_000)
  })

  it('shows what its commands really print', async () => {
    const commands = blocks.filter((block) => block.language === 'sh' && !startsTheServer(block))
    const shown = blocks.filter(({ language }) => language === 'console')
    const tour = shell(commands.map(({ text }) => text).join('\n'))
    let printed = ''
    tour.stdout?.on('data', (text: string) => (printed += text))
    const [code] = await once(tour, 'close')
    expect(code, printed).to.equal(0)
    expect(withoutNumbers(printed)).to.equal(withoutNumbers(shown.map(({ text }) => text).join('')))
  })

  it('has a server that Ctrl-C ends, with everything that it started', async () => {
    const running = server ?? expect.fail('no server was started')
    const group = Number(running.pid)
    const closed = once(running, 'close')
    process.kill(-group, 'SIGINT')
    await closed
    await eventually(() => expect(() => process.kill(-group, 0)).to.throw('ESRCH'))
  })

  it('cuts what it says of an application from the example', () => {
    const example = ['app.js', 'routes.js', 'jobs.js'].map((name) =>
      readFileSync(path.join(root, 'examples', 'shortener', name), 'utf8'),
    )
    const cuttings = blocks.filter(({ language }) => language === 'js')
    expect(cuttings).to.have.length(5)
    for (const { text } of cuttings) {
      expect(
        example.filter((file) => file.includes(text)),
        text,
      ).to.have.length(1)
    }
    for (const section of ['a route', 'a job', 'a schedule', 'a limit'])
      expect(readme).to.include(`### Add ${section}\n`)
  })

  it('links to files that exist', () => {
    const targets = [...readme.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, target = '']) => target)
    expect(targets.filter((target) => !existsSync(path.join(root, target)))).to.deep.equal([])
  })
})

/** Which worker answers is for the kernel to say. The answer with the id of the job has no newline of its own. */
function withoutNumbers(text: string): string {
  return text.replace(/web-\d+/g, 'web-N').replace(/("id":"\d+"})\n?/g, '$1')
}
