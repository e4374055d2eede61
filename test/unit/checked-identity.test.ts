import { expect } from 'chai'
import { checkIdentity } from '../../shared/accounts/checked-identity.ts'
import { PasswordsOverloaded } from '../../shared/accounts/passwords.ts'
import { Unavailable } from '../../shared/kernel/errors.ts'

async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.fail('nothing was thrown'),
    (cause: unknown) => cause,
  )
}

describe('an identity provider as the login relies on it', () => {
  it('a call that never answers is an outage after the bound', async () => {
    const never = () => new Promise<null>(() => {})
    const checked = checkIdentity({ identify: never, verify: never }, { timeoutMs: 20 })
    for (const call of [checked.identify('a'), checked.verify(null, 'b')]) {
      expect(await rejectionOf(call))
        .to.be.instanceOf(Unavailable)
        .and.to.include({ dependency: 'accounts' })
    }
  })

  it('what is thrown in order to be told is told as it is', async () => {
    for (const thrown of [new Unavailable('database'), new PasswordsOverloaded()]) {
      const checked = checkIdentity({ identify: () => Promise.reject(thrown), verify: () => null })
      expect(await rejectionOf(checked.identify('a'))).to.equal(thrown)
    }
  })

  it('a user without version and profile gets the first of each', async () => {
    const checked = checkIdentity({ identify: () => '7', verify: () => ({ id: '7', roles: [] }) })
    expect(await checked.verify('7', '')).to.deep.equal({ id: '7', roles: [], version: 0, profile: {} })
  })

  it('undefined, as a function without a return has it, is null', async () => {
    const nothing = (() => {}) as () => null
    const checked = checkIdentity({ identify: nothing, verify: nothing })
    expect(await checked.identify('a')).to.equal(null)
    expect(await checked.verify(null, 'a')).to.equal(null)
  })
})
