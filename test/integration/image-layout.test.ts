import { expect } from 'chai'
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { trackChild } from '../support/children.ts'
import { admin, shareRedisServer } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'

const root = path.join(import.meta.dirname, '..', '..')
const read = (...file: string[]) => readFileSync(path.join(root, ...file), 'utf8')

/** The instructions of the Dockerfile, those that go on over several lines in one. */
function instructions(): { stage: number; word: string; rest: string }[] {
  let stage = -1
  return read('docs', 'deploy', 'Dockerfile')
    .replace(/^\s*#.*\n/gm, '')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, word = '', rest = ''] = /^\s*([A-Z]+)\s+(.*)$/.exec(line) ?? []
      if (word === 'FROM') stage += 1
      return { stage, word, rest }
    })
}

/** The commands that the documentation tells people to run, without placeholders. */
function documentedCommands(): string[] {
  const files = ['README.md', ...readdirSync(path.join(root, 'docs')).map((name) => path.join('docs', name))]
  const texts = files.filter((name) => name.endsWith('.md')).map((name) => read(name))
  const found = texts.flatMap((text) => [...text.matchAll(/npx lockstep ([^`#\n;&|<$(]+)/g)])
  const commands = found.map(([, command = '']) => command.trim())
  return [...new Set(commands)].filter((command) => !/\b[A-Z]+\b|…|\.js|\.ts|^$/.test(command))
}

describe('the documented image, laid out as its Dockerfile says', function () {
  this.timeout(180_000)
  let directory: string
  let app: string
  let env: Record<string, string>
  let server: ChildProcess

  /** What COPY may take from the checkout. */
  const context = [...read('docs', 'deploy', 'Dockerfile.dockerignore').matchAll(/^!(.+)$/gm)].map(
    ([, name = '']) => name,
  )

  async function build(): Promise<void> {
    const stages = [path.join(directory, 'build'), path.join(directory, 'image')]
    const inApp = (stage: number, file: string) =>
      path.join(stages[stage] ?? '', file.replace(/^\/app\/?/, ''))
    for (const { stage, word, rest } of instructions()) {
      if (word === 'WORKDIR') await mkdir(stages[stage] ?? '', { recursive: true })
      if (word === 'COPY') {
        const [, from, files = ''] = /^(--from=\w+ )?(.+)$/.exec(rest) ?? []
        const names = files.split(' ')
        const target = names.pop() ?? ''
        for (const name of names) {
          if (!from) expect(context, 'what is sent to the builder').to.include(name)
          const to = target.endsWith('/') ? path.join(target, path.basename(name)) : target
          await cp(from ? inApp(0, name) : path.join(root, name), inApp(stage, to), { recursive: true })
        }
      }
      if (word === 'RUN' && stage === 0) {
        await new Promise<void>((resolve, reject) => {
          execFile('sh', ['-c', rest], { cwd: stages[0] }, (failure, _out, told) =>
            failure ? reject(new Error(`${rest}\n${told}`)) : resolve(),
          )
        })
      }
      if (word === 'ENV') env = Object.fromEntries(rest.split(' ').map((one) => one.split('=', 2)))
    }
    app = stages[1] ?? ''
  }

  before(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'lockstep-image-'))
    await build()
    const dataDir = path.join(directory, 'data')
    await shareRedisServer(dataDir)
    Object.assign(env, { DATA_DIR: dataDir, HOST: '127.0.0.1', PORT: '0', WORKERS: '2' })
    Object.assign(env, { ADMIN_EMAIL: admin.email, ADMIN_PASSWORD: admin.password })
    Object.assign(env, { PATH: process.env.PATH, HOME: directory, NO_UPDATE_NOTIFIER: '1' })
    const cmd = instructions().find(({ word }) => word === 'CMD')?.rest ?? '[]'
    server = await launch(JSON.parse(cmd) as string[])
  })

  after(async () => {
    await end(server)
    await rm(directory, { recursive: true, force: true, maxRetries: 5 })
  })

  async function launch([program = '', ...args]: string[], more: object = {}): Promise<ChildProcess> {
    const child = spawn(program, args, { cwd: app, env: { ...env, ...more } })
    trackChild(child.pid ?? 0, 'a server in the layout of the image')
    let printed = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (printed += String(text)))
    await eventually(() => {
      if (child.exitCode !== null) throw new Error(printed)
      expect(printed).to.include('"listening"')
    }, 60_000)
    return child
  }

  async function end(child: ChildProcess | undefined): Promise<void> {
    if (!child || child.exitCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    expect(await ended).to.equal(0)
  }

  function run(program: readonly string[], input = ''): Promise<{ code: number; said: string }> {
    const [file = '', ...args] = program
    return new Promise((resolve) => {
      const child = execFile(file, args, { cwd: app, env }, (failure, out, told) =>
        resolve({ code: failure ? Number(failure.code) : 0, said: `${out}${told}` }),
      )
      child.stdin?.end(input)
    })
  }

  it('has neither sources nor what only tests need, and every file that package.json names', () => {
    expect(existsSync(path.join(app, 'node_modules', 'mocha'))).to.equal(false)
    expect(existsSync(path.join(app, 'shared'))).to.equal(false)
    const { bin } = JSON.parse(readFileSync(path.join(app, 'package.json'), 'utf8')) as { bin: object }
    for (const file of Object.values(bin))
      expect(existsSync(path.join(app, String(file))), file).to.equal(true)
  })

  it('is where npx finds the command', async () => {
    const { code, said } = await run(['npx', '--no', 'lockstep', '--', 'status'])
    expect(code, said).to.equal(0)
    expect(said).to.include('web-1')
  })

  it('runs every command of the documentation', async () => {
    const commands = documentedCommands()
    expect(commands).to.include.members(['status', 'reload', 'doctor', 'drain web-2'])
    for (const command of commands.filter((one) => one !== 'start')) {
      const { code, said } = await run(
        ['node', 'server/lockstep.js', ...command.split(' ')],
        'a password that nobody guesses\n',
      )
      expect(said, command).to.not.match(/cannot find|not found|ENOENT|nothing is built/i)
      const works = /^(status|reload|scale|drain|user|sessions)\b/.test(command)
      expect(code, `${command}\n${said}`).to.be.oneOf(works ? [0] : [0, 1])
    }
  })

  it('starts by the command as well', async () => {
    const dataDir = path.join(directory, 'other')
    await shareRedisServer(dataDir)
    const other = await launch(['node', 'server/lockstep.js', 'start'], { DATA_DIR: dataDir, WORKERS: '1' })
    await end(other)
  })
})
