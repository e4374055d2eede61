import { expect } from 'chai'
import { startCluster, withoutLimits, type TestCluster } from '../support/cluster.ts'
import { onEveryWorker, send, sendAs, signIn, type SignedIn } from '../support/http.ts'
import { createUsers, verdicts, type TestUser } from '../support/users.ts'

describe('signing in', function () {
  this.timeout(30_000)
  let cluster: TestCluster
  let person: SignedIn
  let user: TestUser

  before(async () => {
    cluster = await startCluster({ workers: 3, env: withoutLimits })
    user = await (await createUsers(cluster)).register()
  })
  beforeEach(async () => {
    person = await signIn(cluster.url, user.credentials)
  })
  after(() => cluster?.stop())

  it('login rotates the session id, and the one before is dead on every worker', async () => {
    const before = person.token
    const again = await sendAs(cluster.url, '/api/v1/auth/login', person, {
      method: 'POST',
      body: user.credentials,
    })
    expect(again.status).to.equal(200)
    const token = again.cookies.get('sid')
    expect(token)
      .to.match(/^[\w-]{51}$/)
      .and.not.equal(before)
    expect(await verdicts(cluster, person)).to.deep.equal([401, 401, 401])
  })

  it('an unknown id is never adopted, neither by a login nor by a write', async () => {
    const planted = { token: 'A'.repeat(43) }
    const write = await sendAs(cluster.url, '/api/v1/session', planted, { method: 'PATCH', body: { a: 1 } })
    expect(write.json()).to.include({ status: 401, type: 'unauthenticated' })
    expect(write.headers).to.not.have.property('set-cookie')

    const login = { method: 'POST', body: user.credentials }
    const answer = await sendAs(cluster.url, '/api/v1/auth/login', planted, login)
    expect(answer.status).to.equal(200)
    expect(answer.cookies.get('sid')).to.not.equal(planted.token)
    for (const found of (
      await onEveryWorker(3, () => sendAs(cluster.url, '/api/v1/auth/me', planted))
    ).values()) {
      expect(found.status).to.equal(401)
      expect(found.headers).to.not.have.property('set-cookie')
    }
  })

  it('the maximum of sessions holds under 50 simultaneous logins', async () => {
    await person.send('/api/v1/auth/logout-all', { method: 'POST' })
    const people = await Promise.all(
      Array.from({ length: 50 }, () => signIn(cluster.url, { ...user.credentials, transport: 'token' })),
    )
    const statuses = await Promise.all(people.map((one) => verdicts(cluster, one)))
    const alive = people.filter((_, index) => statuses[index]?.includes(200))
    expect(alive).to.have.length(20)
    for (const one of statuses) expect(new Set(one).size, 'workers agree').to.equal(1)
    const { sessions } = (await alive[0]!.send('/api/v1/auth/sessions')).json()
    expect(sessions).to.have.length(20)
  })

  it('a login that verified the old password creates no session after a password change', async () => {
    let password = user.credentials.password
    let [created, refused] = [0, 0]
    for (let round = 0; round < 8; round++) {
      const owner = await signIn(cluster.url, { ...user.credentials, password })
      const newPassword = `passphrase number ${round} of many`
      let changed = false
      const currentPassword = password
      /** Signs in again and again, so that some login is at each point of its way when the password changes. */
      async function keepSigningIn(): Promise<string[]> {
        const tokens: string[] = []
        while (!changed) {
          const body = { email: user.credentials.email, password: currentPassword, transport: 'token' }
          const answer = await send(`${cluster.url}/api/v1/auth/login`, { method: 'POST', body })
          expect(answer.status).to.be.oneOf([200, 401, 503])
          if (answer.status === 200) tokens.push(answer.json().token)
          else refused++
        }
        return tokens
      }
      const intruders = Array.from({ length: 4 }, keepSigningIn)
      const body = { currentPassword, newPassword }
      const change = await owner
        .send('/api/v1/auth/password', { method: 'PUT', body })
        .finally(() => (changed = true))
      expect(change.status).to.equal(204)
      for (const token of (await Promise.all(intruders)).flat()) {
        created++
        const answer = await sendAs(cluster.url, '/api/v1/auth/me', { token, bearer: true })
        expect(answer.status, 'a session by the old password').to.equal(401)
      }
      password = newPassword
    }
    expect(created, 'logins before the change').to.be.greaterThan(0)
    expect(refused, 'logins that the change overtook').to.be.greaterThan(0)
  })
})
