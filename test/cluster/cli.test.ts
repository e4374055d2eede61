import { expect } from 'chai'
import Database from 'libsql'
import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { askServer } from '../../server/cli/ask-server.ts'
import { CommandFailed } from '../../server/cli/command.ts'
import { createOutput } from '../../server/cli/output.ts'
import { asAnotherUser, canBecomeAnother, closedMode } from '../support/another-user.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { admin, startCluster, withoutLimits, type TestCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { onEveryWorker, send, sendAs, signIn } from '../support/http.ts'
import { rejection } from '../support/rejection.ts'
import { lockstep, type CommandOutcome, type CommandSurroundings } from '../support/lockstep-command.ts'

const root = path.join(import.meta.dirname, '..', '..')
const execFileAsync = promisify(execFile)

const password = 'a walnut under every umbrella'
const isoTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
const otherPassword = 'nobody counts the paper boats'

describe('the lockstep command', function () {
  this.timeout(60_000)

  describe('with a running server', () => {
    let cluster: TestCluster

    before(async () => {
      cluster = await startCluster({ workers: 2, env: withoutLimits })
    })
    after(() => cluster?.stop())

    function run(...args: string[]): Promise<CommandOutcome> {
      return lockstep({ dataDir: cluster.dataDir }, ...args)
    }
    function pipe(input: string, ...args: string[]): Promise<CommandOutcome> {
      return lockstep({ dataDir: cluster.dataDir, input: `${input}\n` }, ...args)
    }
    function stepsIn(stderr: string): Record<string, unknown>[] {
      const lines = stderr.trimEnd().split('\n')
      return lines.map((line) => JSON.parse(line).progress)
    }
    async function expectEverywhere(token: string, status: number): Promise<void> {
      const me = () => sendAs(cluster.url, '/api/v1/auth/me', { token })
      for (const answer of (await onEveryWorker(2, me)).values()) expect(answer.status).to.equal(status)
    }

    it('shows the workers in columns, or as JSON', async () => {
      const shown = await run('status')
      expect(shown.code).to.equal(0)
      expect(shown.stdout).to.match(
        /^WORKER +HOST +PROCESS +STATE .*\nweb-1 .* ready .*\nweb-2 .* ready .*\n$/,
      )
      const told = (await run('status', '--json')).json()
      expect(told.ok).to.equal(true)
      expect(told.workers.map(({ id }: { id: string }) => id)).to.deep.equal(['web-1', 'web-2'])
      for (const { startedAt } of told.workers) expect(startedAt).to.match(isoTime)
    })

    it('reloads, drains and scales, and tells each step beside the outcome', async () => {
      const before = cluster.workerPids()
      const reloaded = await run('reload')
      expect([reloaded.code, reloaded.stdout]).to.deep.equal([0, 'reloaded: 2 workers replaced\n'])
      const steps = stepsIn(reloaded.stderr)
      expect(steps.map(({ step }) => step).slice(0, 4)).to.deep.equal([
        'starting',
        'ready',
        'draining',
        'ended',
      ])
      expect(steps[2]).to.deep.equal({ step: 'draining', worker: 'web-1', pid: before.get(1) })

      const drained = await run('drain', 'web-2', '--json')
      expect(drained.stdout).to.equal('{"ok":true,"id":"web-2"}\n')
      expect(stepsIn(drained.stderr).map(({ step }) => step)).to.include('draining')
      const scaled = await run('scale', '--web', '3', '--json')
      expect(scaled.json()).to.deep.equal({ ok: true, web: 3, jobs: 0 })
      expect((await run('scale', '--web', '2')).stdout).to.equal('scaled: 2 web, 0 jobs\n')
    })

    it('fails with the reason when the server refuses', async () => {
      const drained = await run('drain', 'web-7')
      expect([drained.code, drained.stdout]).to.deep.equal([1, ''])
      expect(drained.stderr).to.match(/^lockstep: there is no worker "web-7" on this host/)
      expect((await run('drain', 'web-7', '--json')).json()).to.include({ ok: false, code: 'no-such-worker' })
    })

    it('goes on without a word when nobody reads what it says any more', async () => {
      const piped = '"$0" "$1" status | true'
      const { stderr } = await execFileAsync(
        'sh',
        ['-c', piped, process.execPath, path.join(root, 'server', 'lockstep.js')],
        { env: { PATH: process.env.PATH, DATA_DIR: cluster.dataDir } },
      )
      expect(stderr).to.equal('')
    })

    it('says so when the server belongs to another user', async () => {
      const { mode } = await stat(cluster.dataDir)
      try {
        // First the directory is closed, then the socket alone, which is never closed to its own user.
        for (const directory of canBecomeAnother ? [closedMode, 0o755] : [closedMode]) {
          await chmod(cluster.dataDir, directory)
          const asking = () => askServer(cluster.dataDir, { command: 'status' })
          const refused = await rejection(asAnotherUser(asking))
          expect(refused).to.be.instanceOf(CommandFailed)
          expect((refused as CommandFailed).message).to.equal(
            `the server with DATA_DIR=${cluster.dataDir} belongs to another user: run this as that user`,
          )
        }
      } finally {
        await chmod(cluster.dataDir, mode)
      }
    })

    it('adds an account, whose password is read from standard input', async () => {
      const added = await pipe(password, 'user', 'add', 'ada@example.com', '--roles', 'user,viewer')
      expect([added.code, added.stdout]).to.deep.equal([0, 'added ada@example.com (user, viewer)\n'])
      const { login } = await signIn(cluster.url, { email: 'ada@example.com', password })
      expect(login.json().user.roles).to.deep.equal(['user', 'viewer'])

      const again = await pipe(password, 'user', 'add', 'ADA@example.com')
      expect([again.code, again.stderr]).to.deep.equal([
        1,
        'lockstep: there is an account ADA@example.com already\n',
      ])
      const weak = await pipe('password1', 'user', 'add', 'eve@example.com')
      expect([weak.code, weak.stderr]).to.satisfy(
        ([code, text]: [number, string]) => code === 1 && /the password is one of the most common/.test(text),
      )
      const mute = await lockstep({ dataDir: cluster.dataDir }, 'user', 'add', 'eve@example.com')
      expect(mute.stderr).to.contain('no password was given')
    })

    describe('where a password is typed', () => {
      const prompt = 'New password: \n'
      /** What the command sees of a terminal is that it is one, and the keys. */
      function type(keys: string): Promise<CommandOutcome> {
        const env = { NODE_OPTIONS: '--import=data:text/javascript,process.stdin.isTTY=true' }
        return lockstep({ dataDir: cluster.dataDir, input: keys, env }, 'user', 'add', 'eve@example.com')
      }

      it('refuses one that breaks the rules before it is typed again', async () => {
        expect(await type('short\r')).to.include({
          code: 1,
          stdout: '',
          stderr: `${prompt}lockstep: the password must have at least 8 characters\n`,
        })
        expect((await type('\r')).stderr).to.equal(`${prompt}lockstep: the password is empty\n`)
        expect((await type(`${password}\r`)).stderr).to.match(/^New password: \nThe same again: \n/)
      })

      it('ends on Ctrl-C without a word, with the exit code of an interruption', async () => {
        expect(await type('half a pass\u0003')).to.include({ code: 130, stdout: '', stderr: prompt })
      })

      it('says on Ctrl-D that no password was given, on a line of its own', async () => {
        const { code, stderr } = await type('\u0004')
        expect(code).to.equal(1)
        expect(stderr).to.match(/^New password: \nlockstep: no password was given: .*\n$/)
      })
    })

    it('changes a password, which ends every session on every worker', async () => {
      await pipe(password, 'user', 'add', 'bob@example.com')
      const { token } = await signIn(cluster.url, { email: 'bob@example.com', password })
      await expectEverywhere(token, 200)
      const changed = await pipe(otherPassword, 'user', 'passwd', 'bob@example.com')
      expect([changed.code, changed.stdout]).to.deep.equal([
        0,
        'changed the password of bob@example.com; 1 session ended\n',
      ])
      await expectEverywhere(token, 401)
      await signIn(cluster.url, { email: 'bob@example.com', password: otherPassword })
    })

    it('changes roles on every worker, and disables and enables an account', async () => {
      await pipe(password, 'user', 'add', 'cleo@example.com')
      const { token } = await signIn(cluster.url, { email: 'cleo@example.com', password })
      expect((await run('user', 'roles', 'cleo@example.com', 'user,operator')).code).to.equal(0)
      const me = () => sendAs(cluster.url, '/api/v1/auth/me', { token })
      for (const answer of (await onEveryWorker(2, me)).values()) {
        expect(answer.json().user.roles).to.deep.equal(['user', 'operator'])
      }
      expect((await run('user', 'disable', 'cleo@example.com')).stdout).to.contain('1 session ended')
      await expectEverywhere(token, 401)
      const refused = await send(`${cluster.url}/api/v1/auth/login`, {
        method: 'POST',
        body: { email: 'cleo@example.com', password },
      })
      expect(refused.status).to.equal(401)
      expect((await run('user', 'enable', 'cleo@example.com')).code).to.equal(0)
      await signIn(cluster.url, { email: 'cleo@example.com', password })
    })

    describe('after the accounts were put back from a backup', () => {
      /** Sessions know a newer version of the account than the database. */
      async function restored(email: string): Promise<string> {
        await pipe(password, 'user', 'add', email, '--roles', 'user,operator')
        const { token } = await signIn(cluster.url, { email, password })
        for (const roles of ['user', 'user,viewer', 'user,operator']) {
          expect((await run('user', 'roles', email, roles)).code).to.equal(0)
        }
        inDatabase('update accounts set version = 1 where email = ?', email)
        return token
      }

      it('user disable ends the sessions, and user enable lets in again', async () => {
        const email = 'restored@example.com'
        const token = await restored(email)
        expect((await run('user', 'disable', email)).stdout).to.contain('1 session ended')
        await expectEverywhere(token, 401)
        expect((await run('user', 'enable', email)).code).to.equal(0)
        await signIn(cluster.url, { email, password })
      })

      it('user roles takes roles away on every worker', async () => {
        const token = await restored('demoted@example.com')
        expect((await run('user', 'roles', 'demoted@example.com', 'user')).code).to.equal(0)
        const me = () => sendAs(cluster.url, '/api/v1/auth/me', { token })
        for (const answer of (await onEveryWorker(2, me)).values()) {
          expect(answer.json().user.roles).to.deep.equal(['user'])
        }
      })
    })

    it('puts a damaged record right', async () => {
      const email = 'damaged@example.com'
      await pipe(password, 'user', 'add', email)
      inDatabase('update accounts set roles = \'["user"\', disabled = 7 where email = ?', email)
      const login = () =>
        send(`${cluster.url}/api/v1/auth/login`, { method: 'POST', body: { email, password } })
      expect((await login()).status).to.equal(503)
      expect((await run('user', 'roles', email, 'user,viewer')).code).to.equal(0)
      expect((await login()).status, 'it was not readable whether it was disabled').to.equal(401)
      expect((await run('user', 'enable', email)).code).to.equal(0)
      expect((await login()).json().user.roles).to.deep.equal(['user', 'viewer'])
    })

    function inDatabase(statement: string, ...values: string[]): void {
      const database = new Database(path.join(cluster.dataDir, 'accounts.sqlite'))
      database.prepare(statement).run(values)
      database.close()
    }

    it('lists the sessions of a user, and ends one or all of them', async () => {
      await pipe(password, 'user', 'add', 'dora@example.com')
      const dora = { email: 'dora@example.com', password }
      const phone = await signIn(cluster.url, { ...dora, label: 'phone' })
      const laptop = await signIn(cluster.url, { ...dora, label: 'laptop' })
      const { sessions } = (await run('sessions', 'list', dora.email, '--json')).json()
      expect(sessions.map(({ label }: { label: string }) => label)).to.have.members(['phone', 'laptop'])
      for (const { createdAt, lastSeenAt, absoluteExpiresAt } of sessions) {
        for (const time of [createdAt, lastSeenAt, absoluteExpiresAt]) expect(time).to.match(isoTime)
      }
      expect((await run('sessions', 'list', dora.email)).stdout).to.match(/^SESSION .*\n.*\n.*\n$/)

      const { id } = phone.login.json().session
      const ended = { code: 0, stdout: '1 session ended\n', stderr: '' }
      expect(await run('sessions', 'revoke', dora.email, id)).to.include(ended)
      await expectEverywhere(phone.token, 401)
      await expectEverywhere(laptop.token, 200)
      expect((await run('sessions', 'revoke', dora.email, id)).code).to.equal(1)
      expect(await run('sessions', 'revoke', dora.email)).to.include(ended)
      await expectEverywhere(laptop.token, 401)
    })

    it('leaves a trail of what was done by hand', async () => {
      const root = await signIn(cluster.url, admin)
      await pipe(password, 'user', 'add', 'frank@example.com')
      await eventually(async () => {
        const { entries } = (await root.send('/api/v1/admin/audit')).json()
        const found = entries.find(({ action }: { action: string }) => action === 'account-created')
        expect(found.details).to.deep.include({ by: 'command line' })
      })
    })
  })

  it('shows the steps to people on a terminal, unless the outcome is for a program', () => {
    const progress = { step: 'ready', worker: 'web-1', pid: 7 } as const
    const shown = (json: boolean) => {
      const written = { stdout: '', stderr: '' }
      const stdout = { isTTY: true, write: (text: string) => (written.stdout += text) }
      const stderr = { isTTY: true, write: (text: string) => (written.stderr += text) }
      createOutput({ json, stdout, stderr }).progress(progress)
      return written
    }
    expect(shown(false)).to.deep.equal({ stdout: 'web-1 (process 7) is ready\n', stderr: '' })
    expect(shown(true)).to.deep.equal({ stdout: '', stderr: `${JSON.stringify({ progress })}\n` })
  })

  describe('without a server', () => {
    const cleanUp = cleanUpAfterEach()

    async function nowhere(): Promise<CommandSurroundings> {
      const dataDir = await mkdtemp(path.join(tmpdir(), 'lockstep-cli-'))
      cleanUp(() => rm(dataDir, { recursive: true, force: true }))
      return { dataDir, input: `${password}\n` }
    }

    it('says that none runs there, and what to do', async () => {
      const place = await nowhere()
      for (const command of ['status', 'reload']) {
        const { code, stderr } = await lockstep(place, command)
        expect(code).to.equal(1)
        expect(stderr).to.contain(`no server runs with DATA_DIR=${place.dataDir}. Start one`)
        expect(stderr).to.contain(
          "in its cluster mode have no control socket: pm2's own commands are for them.",
        )
      }
    })

    it('refuses accounts where no server ever ran, and makes none', async () => {
      const place = await nowhere()
      const file = path.join(place.dataDir, 'far', 'accounts.db')
      const elsewhere = { ...place, env: { DATABASE_URL: `sqlite:${file}` } }
      const commands = [
        ['user', 'add', 'ada@example.com'],
        ['user', 'passwd', 'ada@example.com'],
        ['user', 'roles', 'ada@example.com', 'admin'],
        ['user', 'disable', 'ada@example.com'],
        ['sessions', 'list', 'ada@example.com'],
        ['sessions', 'revoke', 'ada@example.com'],
      ]
      for (const command of commands) {
        const { code, stderr } = await lockstep(place, ...command)
        expect([code, stderr], command.join(' ')).to.satisfy(
          ([is, text]: [number, string]) =>
            is === 1 && text.startsWith('lockstep: there are no accounts yet: '),
        )
      }
      const { stderr } = await lockstep(elsewhere, 'user', 'add', 'ada@example.com')
      expect(stderr).to.equal(
        `lockstep: there are no accounts yet: ${file} does not exist. Start the server once (npm start), or run ` +
          'this in the directory, and with the environment, of the one that runs.\n',
      )
      expect(await readdir(place.dataDir)).to.deep.equal([])
    })

    it('still adds accounts, but says that the sessions are in the private Redis of the server', async () => {
      const place = await nowhere()
      await (await startCluster({ workers: 1, dataDir: place.dataDir })).stop()
      expect((await lockstep(place, 'user', 'add', 'ada@example.com')).code).to.equal(0)
      const { code, stderr } = await lockstep(place, 'user', 'passwd', 'ada@example.com')
      expect(code).to.equal(1)
      expect(stderr).to.contain('the private Redis of the server')
    })

    const misuses: [args: string[], words: RegExp][] = [
      [[], /^lockstep <command>/],
      [['restart'], /there is no command "restart"\. Try lockstep help/],
      [['help', 'restart'], /there is no command "restart"/],
      [['restart', '--help'], /there is no command "restart"/],
      [['--version', 'now'], /one too many: "now"\nUsage: lockstep --version\n/],
      [['start', 'a.js', 'b.js'], /: start takes one argument, the file of an application, or none\nUsage: /],
      [
        ['start', '--force'],
        /: start takes one argument, .*\nUsage: lockstep start\n {7}lockstep start FILE\n/,
      ],
      [['status', 'all'], /one too many: "all"\nUsage: lockstep status/],
      [['reload', '--force'], /: there is no option --force\nUsage: lockstep reload \[--parallel N\]\n/],
      [['reload', '-f'], /: there is no option -f\n/],
      [['reload', '--constructor'], /: there is no option --constructor\n/],
      [['scale'], /say --web, --jobs, or both/],
      [['scale', '--web', 'many'], /--web takes a whole number from 1 to 256/],
      [['scale', '--web'], /: --web needs a value\nUsage: lockstep scale/],
      [['scale', '--web='], /: --web needs a value\n/],
      [['scale', '--jobs', '-1'], /: --jobs needs a value\n/],
      [['scale', '--jobs=-1'], /: --jobs takes a whole number from 0 to 256\n/],
      [['drain'], /: ID is missing\nUsage: lockstep drain ID\n/],
      [['user'], /say what to do: add, passwd, roles, disable, enable/],
      [['user', 'constructor'], /say what to do: add, passwd/],
      [['user', 'add'], /: EMAIL is missing\n/],
      [['user', 'add', '--name', '--roles', 'admin'], /: --name needs a value\n/],
      [['user', 'roles'], /: EMAIL and ROLES are missing\n/],
      [['user', 'roles', 'a@example.com'], /: ROLES is missing\n/],
      [['user', 'rename'], /say what to do: add, passwd, roles, disable, enable/],
      [['user', 'add', 'nobody'], /EMAIL: must be an e-mail address/],
      [['user', 'add', `${'a'.repeat(250)}@example.com`], /EMAIL: must have at most 254 characters\n/],
      [['user', 'add', 'a@example.com', '--name', ' '], /--name: must not be empty\n/],
      [
        ['user', 'add', 'a@example.com', '--roles', 'user,nosuch'],
        /: there is no role "nosuch": user, viewer, operator or admin\. Those of an application [^\n]+\nUsage: lockstep user add/,
      ],
      [['user', 'roles', 'a@example.com', 'king'], /there is no role "king": user, viewer/],
      [['user', 'roles', 'a@example.com', 'user,user'], /the role "user" is named twice/],
      [['sessions'], /say what to do: list or revoke/],
      [['sessions', 'end', 'a@example.com'], /say what to do: list or revoke/],
      [['sessions', 'list'], /: EMAIL is missing\n/],
      [['sessions', 'list', 'a@example.com', 'x'], /one too many: "x"/],
    ]
    it('refuses what it does not understand with exit code 2, and shows how to write it', async () => {
      const place = await nowhere()
      for (const [args, words] of misuses) {
        const { code, stdout, stderr } = await lockstep(place, ...args)
        expect(`${stdout}${stderr}`).to.match(words)
        expect(code, args.join(' ')).to.equal(2)
      }
    })

    it('tells what is wrong with the environment', async () => {
      const place = { ...(await nowhere()), env: { PORT: 'http' } }
      const { code, stderr } = await lockstep(place, 'status')
      expect([code, stderr]).to.satisfy(
        ([is, text]: [number, string]) => is === 1 && text.includes('PORT="http"'),
      )
    })

    it('explains itself', async () => {
      const { code, stdout } = await lockstep(await nowhere(), 'help')
      expect(code).to.equal(0)
      for (const command of ['start', 'status', 'reload', 'scale --web N', 'drain ID', 'user passwd EMAIL']) {
        expect(stdout).to.contain(command)
      }
      for (const more of ['help [COMMAND]', 'COMMAND --help', '--version', '130: Ctrl-C'])
        expect(stdout).to.contain(more)
      for (const asked of [['--help'], ['-h']]) {
        expect(await lockstep(await nowhere(), ...asked)).to.include({ code: 0, stdout })
      }
    })

    it('explains one command, asked before or behind its name', async () => {
      const place = await nowhere()
      const scale = await lockstep(place, 'help', 'scale')
      expect([scale.code, scale.stderr]).to.deep.equal([0, ''])
      expect(scale.stdout).to.match(
        /^Usage: lockstep scale --web N\n {7}lockstep scale --jobs N\n\nChanges how many .*\n$/,
      )
      for (const args of [
        ['--help'],
        ['-h'],
        ['--web', '-h'],
        ['--web', 'many', '--help'],
        ['--nosuch', '-h'],
      ]) {
        const asked = await lockstep(place, 'scale', ...args)
        expect(asked, args.join(' ')).to.include({ code: 0, stdout: scale.stdout, stderr: '' })
      }
      for (const args of [
        ['--help', 'start'],
        ['start', '--help'],
        ['help', 'start'],
      ]) {
        expect((await lockstep(place, ...args)).stdout).to.match(
          /^Usage: lockstep start\n {7}lockstep start FILE\n/,
        )
      }
      expect((await lockstep(place, 'help', 'drain', '--json')).json()).to.deep.include({
        ok: true,
        name: 'drain',
        usage: ['drain ID'],
      })
    })

    it('takes what follows -- as it is, even -h', async () => {
      const { code, stderr } = await lockstep(await nowhere(), 'drain', '--', '-h')
      expect(code).to.equal(1)
      expect(stderr).to.contain('no server runs')
    })

    it('tells its version, built or from the sources', async () => {
      const { version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'))
      const place = await nowhere()
      expect(await lockstep(place, '--version')).to.include({ code: 0, stdout: `${version}\n`, stderr: '' })
      expect((await lockstep(place, '--version', '--json')).json()).to.deep.equal({ ok: true, version })
      const source = path.join(root, 'server', 'cli', 'main.ts')
      const { stdout } = await execFileAsync(process.execPath, ['--import', 'tsx', source, '--version'])
      expect(stdout).to.equal(`${version}\n`)
    })

    it('tells programs of a mistake in one line of JSON', async () => {
      const place = await nowhere()
      const many = await lockstep(place, 'scale', '--web', 'many', '--json')
      expect([many.code, many.stderr]).to.deep.equal([2, ''])
      expect(JSON.parse(many.stdout)).to.deep.equal({
        ok: false,
        code: 'usage',
        message: '--web takes a whole number from 1 to 256',
        usage: ['scale --web N', 'scale --jobs N'],
      })
      const unknown = {
        ok: false,
        code: 'usage',
        message: 'there is no command "restart". Try lockstep help.',
      }
      for (const args of [['restart'], ['help', 'restart'], ['restart', '--help']]) {
        const { code, stdout } = await lockstep(place, ...args, '--json')
        expect([code, JSON.parse(stdout)]).to.deep.equal([2, unknown])
      }
      const nothing = await lockstep(place, '--json')
      expect([nothing.code, nothing.json()]).to.satisfy(
        ([is, told]: [number, any]) => is === 2 && told.code === 'usage',
      )
    })
  })
})
