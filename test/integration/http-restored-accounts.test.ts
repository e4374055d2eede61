import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import Database from 'libsql'
import { password, startHttpApp, type Answer, type HttpApp } from '../support/http-app.ts'
import { query, startPostgres, type TestPostgres } from '../support/postgres.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

interface AccountsDatabase {
  readonly url: string
  execute(statement: string): Promise<unknown>
}

describe('administrators', function () {
  this.timeout(60_000)
  let redis: TestRedis
  let postgres: TestPostgres
  let directory: string

  before(async function () {
    this.timeout(300_000)
    ;[redis, postgres] = await Promise.all([startRedis(), startPostgres()])
    directory = await mkdtemp(join(tmpdir(), 'lockstep-restored-'))
  })
  after(async () => {
    await Promise.all([redis?.stop(), postgres?.stop()])
    await rm(directory, { recursive: true, force: true })
  })

  async function sqlite(): Promise<AccountsDatabase> {
    const file = join(directory, 'accounts.sqlite')
    return {
      url: `sqlite:${file}`,
      async execute(statement) {
        const database = new Database(file)
        database.exec(statement)
        database.close()
      },
    }
  }

  async function inPostgres(): Promise<AccountsDatabase> {
    const url = await postgres.createDatabase()
    return { url, execute: (statement) => query(url, statement) }
  }

  for (const [name, prepare] of Object.entries({ SQLite: sqlite, Postgres: inPostgres })) {
    describe(`with the accounts in ${name}`, () => {
      let database: AccountsDatabase
      let app: HttpApp
      let root: string
      let people = 0

      before(async () => {
        database = await prepare()
        app = await startHttpApp({
          redisUrl: redis.url,
          env: { DATABASE_URL: database.url, LIMIT_API: 'off', MAX_SESSIONS_PER_USER: '1000' },
        })
        await app.register('root@example.com', ['admin'])
        root = await app.signIn('root@example.com')
      })
      after(() => app?.stop())

      function patch(id: string, changes: object, bearer = root): Promise<Answer> {
        return app.request('PATCH', `/api/v1/admin/users/${id}`, { bearer, json: changes })
      }
      const me = (bearer: string) => app.request('GET', '/api/v1/auth/me', { bearer })
      const login = (email: string) =>
        app.request('POST', '/api/v1/auth/login', { json: { email, password, transport: 'token' } })

      describe('after the accounts were put back from a backup', () => {
        let id: string
        let email: string

        /** Sessions know version 6 with these roles, and the database is at version 2 with its own. */
        async function restored(known: object, backup: { roles: string; disabled: number }): Promise<string> {
          email = `person${people++}@example.com`
          ;({ id } = await app.register(email, ['user', 'operator']))
          for (const tier of ['a', 'b', 'c', 'd']) expect((await patch(id, { tier })).status).to.equal(200)
          const token = await app.signIn(email)
          expect((await patch(id, known)).status).to.equal(200)
          const { roles, disabled } = backup
          await database.execute(
            `update accounts set version = 2, roles = '${roles}', disabled = ${disabled} where id = '${id}'`,
          )
          return token
        }

        it('disabling somebody is true when it is answered', async () => {
          const token = await restored({ roles: ['user'] }, { roles: '["user"]', disabled: 0 })
          expect((await me(token)).status).to.equal(200)
          expect((await patch(id, { disabled: true })).status).to.equal(200)
          expect((await me(token)).status).to.equal(401)
          expect((await login(email)).status).to.equal(401)
          expect((await patch(id, { disabled: false })).status).to.equal(200)
          expect((await login(email)).status).to.equal(200)
        })

        it('a demotion is true when it is answered', async () => {
          const token = await restored(
            { roles: ['user', 'admin'] },
            { roles: '["user","admin"]', disabled: 0 },
          )
          expect((await me(token)).json().user.roles).to.deep.equal(['user', 'admin'])
          expect((await patch(id, { roles: ['user'] })).status).to.equal(200)
          expect((await me(token)).json().user.roles).to.deep.equal(['user'])
        })

        it('a sign-in gives the roles that the accounts say, to all sessions of the user', async () => {
          const token = await restored({ roles: ['user', 'admin'] }, { roles: '["user"]', disabled: 0 })
          const answer = await login(email)
          expect(answer.json().user.roles).to.deep.equal(['user'])
          for (const each of [answer.json().token, token]) {
            expect((await me(each)).json().user.roles).to.deep.equal(['user'])
          }
        })

        it('whom the accounts do not disable any more can sign in', async () => {
          await restored({ disabled: true }, { roles: '["user"]', disabled: 0 })
          expect((await login(email)).status).to.equal(200)
        })

        it('whom they disable again can not', async () => {
          await restored({ disabled: false }, { roles: '["user"]', disabled: 1 })
          expect((await login(email)).status).to.equal(401)
        })
      })

      it('one of twelve who give their role up at the same moment stays, and keeps it', async () => {
        const all = await Promise.all(
          Array.from({ length: 11 }, async (_, index) => {
            const address = `admin${index}@example.com`
            const account = await app.register(address, ['user', 'admin'])
            return { id: account.id, token: await app.signIn(address) }
          }),
        )
        const rootId = (await app.accounts.findIdByEmail('root@example.com')) ?? ''
        const everybody = [...all, { id: rootId, token: root }]
        const answers = await Promise.all(
          everybody.map(({ id, token }) => patch(id, { roles: ['user'] }, token)),
        )
        // Some were no administrators any more when their own request came to be looked at.
        const refused = answers.filter(({ status }) => status !== 200)
        for (const answer of refused) expect(answer.status).to.be.oneOf([403, 409])
        const left = (await app.accounts.list({ limit: 200 })).filter(({ roles }) => roles.includes('admin'))
        expect(left).to.have.length(1)
        const keeper = everybody.find(({ id }) => id === left[0]?.id)!
        expect((await me(keeper.token)).json().user.roles).to.include('admin')
        root = keeper.token
      })

      it('a demotion that is refused takes nothing from anybody who signs in meanwhile', async () => {
        const [keeper] = (await app.accounts.list({ limit: 200 })).filter(({ roles }) =>
          roles.includes('admin'),
        )
        const { id, email } = keeper!
        for (let round = 0; round < 10; round++) {
          const [refused, ...tokens] = await Promise.all([
            patch(id, { roles: ['user'] }),
            app.signIn(email),
            app.signIn(email),
          ])
          expect(refused.json()).to.include({ status: 409, type: 'last-administrator' })
          for (const token of tokens) {
            expect((await me(token)).json().user.roles, `round ${round}`).to.include('admin')
          }
        }
        expect((await me(root)).json().user.roles).to.include('admin')
      })

      it('see a damaged record in the list beside all others, and put it right', async () => {
        const { id } = await app.register('torn@example.com', ['user', 'operator'])
        await database.execute(`update accounts set roles = '["admin"', disabled = 7 where id = '${id}'`)
        const list = async () => {
          const answer = await app.request('GET', '/api/v1/admin/users?limit=200', { bearer: root })
          expect(answer.status).to.equal(200)
          return answer.json().users as {
            id: string
            damaged?: string[]
            roles: string[]
            disabled: boolean
          }[]
        }
        const torn = (await list()).find((one) => one.id === id)
        expect((await list()).length).to.be.greaterThan(5)
        expect(torn).to.deep.include({ roles: [], disabled: true })
        expect(torn?.damaged?.join()).to.include('roles').and.to.include('disabled')
        expect(
          (await app.request('DELETE', `/api/v1/admin/users/${id}/sessions`, { bearer: root })).status,
        ).to.equal(200)
        expect((await login('torn@example.com')).status, 'half an account opens nothing').to.equal(503)

        const repaired = await patch(id, { roles: ['user'], disabled: false })
        expect(repaired.json().user).to.deep.include({ roles: ['user'], disabled: false })
        expect((await list()).find((one) => one.id === id)).not.to.have.property('damaged')
        expect((await login('torn@example.com')).status).to.equal(200)
      })
    })
  }
})
