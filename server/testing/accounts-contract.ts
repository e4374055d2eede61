/**
 * What whoever says who may sign in has to keep to: `accounts` of an application as well as our own. Checks without a test
 * runner, so that each can be a test in any: `for (const { name, run } of accountsContract(prepare)) it(name, run)`.
 */
import assert from 'node:assert/strict'
import type { IdentityProvider } from '../../shared/accounts/identity-provider.ts'

/** One implementation, with the users that the checks need. */
export interface AccountsUnderTest {
  readonly provider: IdentityProvider
  /** Someone who may sign in. */
  readonly user: { readonly name: string; readonly secret: string; readonly roles: readonly string[] }
  /** A name that no one has. */
  readonly unknownName: string
  /** Someone who has a secret and may not sign in; left out where there is no such thing. */
  readonly barred?: { readonly name: string; readonly secret: string }
  /** How often a secret was compared so far: what takes the time of a `verify`. Left out: it is not checked. */
  comparisons?(): number
  /** Gives the user another secret. */
  changeSecret(secret: string): Promise<void> | void
  /** From now on what the users are kept in can't be asked. Left out where that can't be. */
  breakDown?(): Promise<void> | void
}

export interface ContractCheck {
  /** A sentence. */
  readonly name: string
  /** Rejects with an `AssertionError` when it is not so. */
  run(): Promise<void>
}

/** Every check. `prepare` gives each of them users of its own. */
export function accountsContract(
  prepare: () => Promise<AccountsUnderTest> | AccountsUnderTest,
): readonly ContractCheck[] {
  return Object.entries(checks).map(([name, check]) => ({ name, run: async () => check(await prepare()) }))
}

const otherSecret = 'nine copper kettles'

const checks: Readonly<Record<string, (subject: AccountsUnderTest) => Promise<void>>> = {
  async 'a name leads to an id, always the same, and the secret to the user of that id'({ provider, user }) {
    const id = await provider.identify(user.name)
    assert.match(String(id), /^[\x21-\x7e]{1,128}$/)
    assert.equal(await provider.identify(user.name), id)
    const verified = await provider.verify(id, user.secret)
    assert.equal(verified?.id, id)
    assert.deepEqual(verified?.roles, user.roles)
  },

  async 'what it says of the user can be written as JSON and read again'({ provider, user }) {
    const verified = await provider.verify(await provider.identify(user.name), user.secret)
    assert.deepEqual(JSON.parse(JSON.stringify(verified)), verified)
  },

  async 'a name that nobody has leads to null'({ provider, unknownName }) {
    for (const unknown of [unknownName, '', ' ', '\0', '\ud800', 'x'.repeat(1_000), '__proto__']) {
      assert.equal(await provider.identify(unknown), null, JSON.stringify(unknown))
    }
  },

  async 'a wrong secret is null, however near it is'({ provider, user: { name, secret } }) {
    const id = await provider.identify(name)
    const near = ['', ' ', secret.slice(1), `${secret} `, `${secret}\0`, secret.toUpperCase()]
    for (const wrong of near.filter((text) => text !== secret)) {
      assert.equal(await provider.verify(id, wrong), null, JSON.stringify(wrong))
    }
  },

  async 'nobody is verified by any secret'({ provider, user }) {
    assert.equal(await provider.verify(null, user.secret), null)
    assert.equal(await provider.verify(null, ''), null)
  },

  async 'nobody costs the same work as somebody, so that the time tells nothing'(subject) {
    const { provider, user } = subject
    if (subject.comparisons === undefined) return
    const compared = () => subject.comparisons?.() ?? 0
    const id = await provider.identify(user.name)
    const work = async (who: string | null, secret: string) => {
      const before = compared()
      await provider.verify(who, secret)
      return compared() - before
    }
    const genuine = await work(id, user.secret)
    assert.ok(genuine > 0, 'the right secret was not compared')
    assert.equal(await work(id, 'wrong'), genuine)
    assert.equal(await work(null, user.secret), genuine)
  },

  async 'an id that is not known (any more) is verified by no secret'({ provider, user }) {
    assert.equal(await provider.verify('nobody-has-this-id', user.secret), null)
  },

  async 'a secret that was changed after the name was identified is the one that counts'(subject) {
    const { provider, user } = subject
    const id = await provider.identify(user.name)
    await subject.changeSecret(otherSecret)
    assert.equal(await provider.verify(id, user.secret), null)
    assert.equal((await provider.verify(id, otherSecret))?.id, id)
  },

  async 'who is barred is null, with the right secret too'({ provider, barred }) {
    if (!barred) return
    const id = await provider.identify(barred.name)
    const reasons: string[] = []
    assert.equal(await provider.verify(id, barred.secret, (reason) => reasons.push(reason)), null)
    assert.ok(!reasons.join().includes(barred.secret), 'the reason repeats the secret')
  },

  async 'an outage is thrown, and never taken for a name or a secret that is wrong'(subject) {
    const { provider, user } = subject
    const id = await provider.identify(user.name)
    if (subject.breakDown === undefined) return
    await subject.breakDown()
    await assert.rejects(async () => provider.identify(user.name), 'identify answered')
    await assert.rejects(async () => provider.verify(id, user.secret), 'verify answered')
  },
}
