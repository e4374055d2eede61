import { expect } from 'chai'
import { startCluster, withoutLimits, type TestCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { onEveryWorker, send, sendAs, signIn, type SignedIn } from '../support/http.ts'
import { resetTokenFor } from '../support/mailbox.ts'
import { createUsers, verdicts, type TestUser, type TestUsers } from '../support/users.ts'

const everywhere = [200, 200, 200]
const nowhere = [401, 401, 401]

describe('a session cache that was process-local: users logged out on one worker lived on in the others', function () {
  this.timeout(30_000)
  let cluster: TestCluster
  let users: TestUsers
  let user: TestUser

  before(async () => {
    cluster = await startCluster({ jobWorkers: 1, workers: 3, env: withoutLimits })
    users = await createUsers(cluster)
  })
  beforeEach(async () => {
    user = await users.register()
  })
  after(() => cluster?.stop())

  /** Signed in, and served by each worker twice: the second time from the worker's own memory. */
  async function knownEverywhere(transport: 'cookie' | 'token' = 'cookie'): Promise<SignedIn> {
    const person = await signIn(cluster.url, { ...user.credentials, transport })
    for (let time = 0; time < 2; time++) expect(await verdicts(cluster, person)).to.deep.equal(everywhere)
    return person
  }

  for (const transport of ['cookie', 'token'] as const) {
    it(`logout on one worker is refused by every worker (${transport})`, async () => {
      const person = await knownEverywhere(transport)
      const logout = await person.send('/api/v1/auth/logout', { method: 'POST' })
      expect(logout.status).to.equal(204)
      expect(await verdicts(cluster, person)).to.deep.equal(nowhere)
    })
  }

  it('a logout costs nobody else the session', async () => {
    const person = await knownEverywhere()
    const sameUser = await knownEverywhere()
    expect((await person.send('/api/v1/auth/logout', { method: 'POST' })).status).to.equal(204)
    expect(await verdicts(cluster, sameUser)).to.deep.equal(everywhere)
    expect(await verdicts(cluster, users.administrator)).to.deep.equal(everywhere)
  })

  it('logout of a session that is dead already is a success, on every worker', async () => {
    const person = await knownEverywhere()
    const logouts = await onEveryWorker(3, () => person.send('/api/v1/auth/logout', { method: 'POST' }))
    expect([...logouts.values()].map(({ status }) => status)).to.deep.equal([204, 204, 204])
    expect(await verdicts(cluster, person)).to.deep.equal(nowhere)
  })

  it('logout-all on one worker ends every session of the user on every worker', async () => {
    const [one, other] = [await knownEverywhere(), await knownEverywhere('token')]
    const answer = await one.send('/api/v1/auth/logout-all', { method: 'POST' })
    expect(answer.json()).to.deep.equal({ revoked: 2 })
    for (const person of [one, other]) expect(await verdicts(cluster, person)).to.deep.equal(nowhere)
  })

  it('ending another of one’s own sessions, by its public id, ends it on every worker', async () => {
    const [one, other] = [await knownEverywhere(), await knownEverywhere()]
    const { sessions } = (await one.send('/api/v1/auth/sessions')).json()
    const id: string = sessions.find(({ current }: { current: boolean }) => !current).id
    expect((await one.send(`/api/v1/auth/sessions/${id}`, { method: 'DELETE' })).status).to.equal(204)
    expect(await verdicts(cluster, other)).to.deep.equal(nowhere)
    expect(await verdicts(cluster, one)).to.deep.equal(everywhere)
  })

  it('an administrator ends all sessions of a user on every worker', async () => {
    const [one, other] = [await knownEverywhere(), await knownEverywhere()]
    const route = `/api/v1/admin/users/${user.id}/sessions`
    const answer = await users.administrator.send(route, { method: 'DELETE' })
    expect(answer.json()).to.deep.equal({ revoked: 2 })
    for (const person of [one, other]) expect(await verdicts(cluster, person)).to.deep.equal(nowhere)
  })

  it('disabling a user ends all sessions, and keeps new ones from being made', async () => {
    const people = [await knownEverywhere(), await knownEverywhere('token')]
    const change = (disabled: boolean) =>
      users.administrator.send(`/api/v1/admin/users/${user.id}`, { method: 'PATCH', body: { disabled } })
    const login = () => send(`${cluster.url}/api/v1/auth/login`, { method: 'POST', body: user.credentials })

    expect((await change(true)).json().user.disabled).to.equal(true)
    for (const person of people) expect(await verdicts(cluster, person)).to.deep.equal(nowhere)
    expect((await login()).json()).to.include({ status: 401, type: 'invalid-credentials' })

    expect((await change(false)).status).to.equal(200)
    for (const person of people) expect(await verdicts(cluster, person)).to.deep.equal(nowhere)
    expect((await login()).status).to.equal(200)
  })

  it('a role that is taken away is gone on every worker', async () => {
    const person = await knownEverywhere()
    const list = () => onEveryWorker(3, () => person.send('/api/v1/admin/users'))
    const change = (roles: string[]) =>
      users.administrator.send(`/api/v1/admin/users/${user.id}`, { method: 'PATCH', body: { roles } })

    await change(['user', 'admin'])
    expect([...(await list()).values()].map(({ status }) => status)).to.deep.equal([200, 200, 200])
    await change(['user'])
    expect([...(await list()).values()].map(({ status }) => status)).to.deep.equal([403, 403, 403])
  })

  it('a password change ends the other sessions, and this one goes on under a new id', async () => {
    const [changing, other] = [await knownEverywhere(), await knownEverywhere()]
    const newPassword = 'an entirely different passphrase'
    const answer = await changing.send('/api/v1/auth/password', {
      method: 'PUT',
      body: { currentPassword: user.credentials.password, newPassword },
    })
    expect(answer.status).to.equal(204)
    for (const person of [changing, other]) expect(await verdicts(cluster, person)).to.deep.equal(nowhere)
    const token = answer.cookies.get('sid') ?? expect.fail('no new session id was sent')
    const renewed = { send: (route: string) => sendAs(cluster.url, route, { token }) }
    expect(await verdicts(cluster, renewed)).to.deep.equal(everywhere)
  })

  it('a password reset ends all sessions', async () => {
    const people = [await knownEverywhere(), await knownEverywhere('token')]
    const { email } = user.credentials
    const request = await send(`${cluster.url}/api/v1/auth/password-reset/request`, {
      method: 'POST',
      body: { email },
    })
    expect(request.status).to.equal(202)
    const token = await eventually(() => resetTokenFor(email, cluster))
    const newPassword = 'remembered better this time'
    const confirmation = { method: 'POST', body: { token, newPassword } }
    const confirm = () => send(`${cluster.url}/api/v1/auth/password-reset/confirm`, confirmation)

    expect((await confirm()).status).to.equal(204)
    for (const person of people) expect(await verdicts(cluster, person)).to.deep.equal(nowhere)
    expect((await confirm()).json()).to.include({ status: 422, type: 'invalid-token' })
    await signIn(cluster.url, { email: email, password: newPassword })
  })
})
