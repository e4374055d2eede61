import { expect } from 'chai'
import type { IdentityProvider } from '../../shared/accounts/identity-provider.ts'

/** One implementation, with the users that the suite needs. */
export interface IdentitySubject {
  readonly provider: IdentityProvider
  /** Somebody who may sign in. */
  readonly user: { readonly name: string; readonly secret: string; readonly roles: readonly string[] }
  /** A name that nobody has. */
  readonly unknownName: string
  /** Somebody who has a secret and may not sign in; left out where there is no such thing. */
  readonly barred?: { readonly name: string; readonly secret: string }
  /** How often a secret was compared so far: what takes the time of a `verify`. */
  comparisons(): number
  /** Gives the user another secret. */
  changeSecret(secret: string): Promise<void>
  /** From now on what the users are kept in can't be asked. */
  breakDown(): Promise<void>
}

/** What every identity provider has to keep to. `prepare` gives each test one of its own. */
export function describeIdentityProvider(name: string, prepare: () => Promise<IdentitySubject>): void {
  describe(`who may sign in, by ${name}`, () => {
    let subject: IdentitySubject

    beforeEach(async () => {
      subject = await prepare()
    })

    it('a name leads to an id, always the same, and the secret to the user of that id', async () => {
      const { provider, user } = subject
      const id = await provider.identify(user.name)
      expect(id)
        .to.be.a('string')
        .that.matches(/^[\x21-\x7e]{1,128}$/)
      expect(await provider.identify(user.name)).to.equal(id)
      const verified = await provider.verify(id, user.secret)
      expect(verified?.id).to.equal(id)
      expect(verified?.roles).to.deep.equal(user.roles)
    })

    it('what it says of the user can be written as JSON and read again', async () => {
      const { provider, user } = subject
      const verified = await provider.verify(await provider.identify(user.name), user.secret)
      expect(JSON.parse(JSON.stringify(verified))).to.deep.equal(verified)
    })

    it('a name that nobody has leads to null', async () => {
      for (const unknown of [subject.unknownName, '', ' ', '\0', '\ud800', 'x'.repeat(1_000), '__proto__']) {
        expect(await subject.provider.identify(unknown), JSON.stringify(unknown)).to.equal(null)
      }
    })

    it('a wrong secret is null, however near it is', async () => {
      const { provider, user } = subject
      const id = await provider.identify(user.name)
      const near = [
        '',
        ' ',
        user.secret.slice(1),
        `${user.secret} `,
        `${user.secret}\0`,
        user.secret.toUpperCase(),
      ]
      for (const wrong of near.filter((text) => text !== user.secret)) {
        expect(await provider.verify(id, wrong), JSON.stringify(wrong)).to.equal(null)
      }
    })

    it('nobody is verified by any secret', async () => {
      expect(await subject.provider.verify(null, subject.user.secret)).to.equal(null)
      expect(await subject.provider.verify(null, '')).to.equal(null)
    })

    it('nobody costs the same work as somebody, so that the time tells nothing', async () => {
      const { provider, user } = subject
      const id = await provider.identify(user.name)
      const work = async (who: string | null, secret: string) => {
        const before = subject.comparisons()
        await provider.verify(who, secret)
        return subject.comparisons() - before
      }
      const genuine = await work(id, user.secret)
      expect(genuine).to.be.greaterThan(0)
      expect(await work(id, 'wrong')).to.equal(genuine)
      expect(await work(null, user.secret)).to.equal(genuine)
    })

    it('an id that is not known (any more) is verified by no secret', async () => {
      expect(await subject.provider.verify('nobody-has-this-id', subject.user.secret)).to.equal(null)
    })

    it('a secret that was changed after the name was identified is the one that counts', async () => {
      const { provider, user } = subject
      const id = await provider.identify(user.name)
      await subject.changeSecret('nine copper kettles')
      expect(await provider.verify(id, user.secret)).to.equal(null)
      expect((await provider.verify(id, 'nine copper kettles'))?.id).to.equal(id)
    })

    it('who is barred is null, with the right secret too', async function () {
      const { provider, barred } = subject
      if (!barred) return
      const id = await provider.identify(barred.name)
      const reasons: string[] = []
      expect(await provider.verify(id, barred.secret, (reason) => reasons.push(reason))).to.equal(null)
      expect(reasons.join()).not.to.include(barred.secret)
    })

    it('an outage is thrown, and never taken for a name or a secret that is wrong', async () => {
      const { provider, user } = subject
      const id = await provider.identify(user.name)
      await subject.breakDown()
      const calls: (() => unknown)[] = [
        () => provider.identify(user.name),
        () => provider.verify(id, user.secret),
      ]
      for (const call of calls) {
        const outcome = await (async () => call())().then(
          () => 'answered',
          () => 'thrown',
        )
        expect(outcome).to.equal('thrown')
      }
    })
  })
}
