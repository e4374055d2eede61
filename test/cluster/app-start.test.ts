import { expect } from 'chai'
import { execFile } from 'node:child_process'
import { cp, mkdir, readdir } from 'node:fs/promises'
import path from 'node:path'
import { makeApplicationFolder, type ApplicationFolder } from '../support/application-folder.ts'

const lockstep = path.join(import.meta.dirname, '..', '..', 'server', 'lockstep.js')

const sound = `import { defineApp, defineRoute, z } from 'lockstep'
export default defineApp({
  name: 'sound',
  env: z.object({ SESSION_SECRET: z.string().min(8) }),
  routes: [
    defineRoute({ method: 'GET', path: '/hello', access: 'anyone', summary: 'Hello', replies: {}, handler(ctx) { ctx.body = 'hello' } }),
  ],
})`

const contradictory = `import { defineApp, defineJob, defineRoute, z } from 'lockstep'
const route = (path, more) => defineRoute({ method: 'GET', path, access: 'anyone', summary: '', replies: {}, handler() {}, ...more })
const job = () => defineJob({ name: 'echo', payload: z.strictObject({}), async handler() {} })
export default defineApp({
  name: 'contradictory',
  env: z.object({ PORT: z.string(), STRIPE_KEY: z.string() }),
  routes: [
    route('/a/:x'), route('/a/:y'), route('/sign-in'), route('/b', { access: undefined }),
    route('/c', { access: { roles: ['wizard'] } }), route('/d', { limits: ['nothing'] }),
  ],
  jobs: [job()],
})`

describe('lockstep check and lockstep start, in the folder of an application', function () {
  this.timeout(60_000)
  let folder: ApplicationFolder
  before(async () => {
    folder = await makeApplicationFolder({
      'sound.js': sound,
      'contradictory.js': contradictory,
      'throws.js': '\nnull.x\n',
      'app.cjs': 'module.exports = {}',
    })
  })
  after(() => folder?.remove())

  function run(args: readonly string[], env: Record<string, string> = {}, program = lockstep) {
    const { PATH, HOME } = process.env
    return new Promise<{ code: number; output: string }>((resolve) => {
      execFile(
        process.execPath,
        [program, ...args],
        { cwd: folder.path, env: { PATH, HOME, PORT: '0', ...env }, timeout: 45_000 },
        (failure, stdout, stderr) => resolve({ code: Number(failure?.code ?? 0), output: stdout + stderr }),
      )
    })
  }

  it('check describes it without starting it', async () => {
    const { code, output } = await run(['check', './sound.js'], { SESSION_SECRET: 'long enough' })
    expect(output).to.match(
      /^sound can be started\.\n {2}variables +SESSION_SECRET\n {2}routes +GET \/hello\n$/,
    )
    expect(code).to.equal(0)
  })

  for (const command of ['check', 'start']) {
    it(`${command} reports every problem at once, by file and entry, with exit code 78`, async () => {
      const { code, output } = await run([command, './contradictory.js'], { WORKERS: 'many' })
      expect(code).to.equal(78)
      for (const said of [
        'contradictory.js: GET /b: say who may call it',
        'PORT is a variable of Lockstep',
        'STRIPE_KEY is not set, and the application needs it',
        'WORKERS="many" is not accepted',
        "the application's route GET /a/:y is registered twice",
        "the application's route GET /sign-in is registered twice",
        'GET /c is for the role wizard, which there is not',
        'GET /d is charged to nothing, which is no limit',
        'the job echo is declared twice',
      ]) {
        expect(output).to.include(said)
      }
    })

    it(`${command} is refused without a file, and with one that is no application`, async () => {
      for (const [file, reason] of [
        ['./missing.js', 'there is no such file'],
        ['.', 'this is a directory'],
        ['./app.cjs', 'CommonJS'],
        ['./throws.js', 'throws.js:2'],
      ] as const) {
        const { code, output } = await run([command, file])
        expect(output).to.include(reason)
        expect(code).to.equal(78)
      }
      const { code } = await run([command])
      expect(code).to.equal(command === 'start' ? 78 : 2)
    })
  }

  for (const command of ['start', 'dev']) {
    it(`${command} of an installed package is refused without a file: the built-in application is not what was meant`, async () => {
      const installed = path.join(folder.path, 'node_modules', 'packed', 'server')
      await mkdir(installed, { recursive: true })
      // As in the package: the command, without the bootstrap and the sources.
      for (const name of ['lockstep.js', 'dev.js'])
        await cp(path.join(path.dirname(lockstep), name), path.join(installed, name))
      const { code, output } = await run([command], {}, path.join(installed, 'lockstep.js'))
      expect(output).to.include(`npx lockstep ${command} ./app.js`)
      expect(code).to.equal(78)
      expect(await readdir(folder.path)).not.to.include('.lockstep')
    })
  }
})
