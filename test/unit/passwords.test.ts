import { expect } from 'chai'
import { createBoundedQueue } from '../../shared/accounts/bounded-queue.ts'
import { createPasswords, PasswordsOverloaded } from '../../shared/accounts/passwords.ts'
import { rejectionOf } from '../contracts/accounts.ts'

describe('passwords', () => {
  const passwords = createPasswords({ concurrency: 2 })

  it('a password is recognised, and no other', async () => {
    const hash = await passwords.hash('correct horse battery')
    expect(await passwords.verify(hash, 'correct horse battery')).to.equal(true)
    for (const other of ['correct horse batterY', ' correct horse battery', 'correct horse battery\0', '']) {
      expect(await passwords.verify(hash, other), JSON.stringify(other)).to.equal(false)
    }
  })

  it('the letters are compared as they came, and all of them', async () => {
    const long = 'é👩‍💻'.repeat(20)
    const hash = await passwords.hash(long)
    expect(await passwords.verify(hash, long)).to.equal(true)
    expect(await passwords.verify(hash, long.normalize('NFD'))).to.equal(false)
    expect(await passwords.verify(hash, long.slice(0, -1))).to.equal(false)
  })

  it('half a character is no part of any password, so that one does not open what another closed', async () => {
    const halves = ['\ud800', '\ud801', '\udfff'].map((half) => `four wooden ${half} spoons`)
    for (const half of halves) {
      expect((await rejectionOf(passwords.hash(half))).message).to.match(/half a character/)
    }
    // As one that was stored before it was refused: in UTF-8 all of them have this mark.
    const stored = await passwords.hash('four wooden \ufffd spoons')
    for (const half of halves) expect(await passwords.verify(stored, half)).to.equal(false)
  })

  it('hashes are argon2id with the parameters of OWASP, and differ for one password', async () => {
    const hashes = await Promise.all([passwords.hash('same'), passwords.hash('same')])
    for (const hash of hashes) expect(hash).to.match(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
    expect(hashes[0]).not.to.equal(hashes[1])
  })

  it('without an account every password is wrong', async () => {
    expect(await passwords.verify(null, 'anything')).to.equal(false)
    expect(await passwords.verify(null, '')).to.equal(false)
  })

  it('a hash that is foreign or damaged makes every password wrong and throws nothing', async () => {
    const hash = await passwords.hash('right')
    const damaged = [
      '',
      'right',
      '$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy',
      hash.slice(0, -5),
      `${hash}!`,
      hash.replace('m=19456', 'm=99999999999'),
      hash.replace('p=1', 'p=0'),
      hash.replace('argon2id', 'argon2i'),
    ]
    for (const one of damaged) expect(await passwords.verify(one, 'right'), one).to.equal(false)
  })

  it('what is too much at once is refused as overload, and the rest is answered', async () => {
    const narrow = createPasswords({ concurrency: 1, waiting: 2 })
    const attempts = Array.from({ length: 6 }, () => narrow.verify(null, 'x'))
    const outcomes = await Promise.allSettled(attempts)
    const refusals = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).to.have.lengthOf(3)
    expect(refusals).to.have.lengthOf(3)
    for (const refusal of refusals) {
      expect(refusal).to.be.instanceOf(PasswordsOverloaded)
      expect(refusal).to.include({ status: 503, retryAfterSeconds: 2 })
    }
    expect(await narrow.verify(null, 'x')).to.equal(false)
  })
})

describe('the bounded queue', () => {
  const refusal = () => new Error('too much')

  it('runs no more at once than it may, and everything in the end, in order', async () => {
    const run = createBoundedQueue({ concurrency: 3, waiting: 100, refusal })
    const order: number[] = []
    let running = 0
    let most = 0
    await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        run(async () => {
          order.push(n)
          most = Math.max(most, ++running)
          await new Promise(setImmediate)
          running--
        }),
      ),
    )
    expect(most).to.equal(3)
    expect(order).to.deep.equal(Array.from({ length: 50 }, (_, n) => n))
  })

  it('work that fails frees its place', async () => {
    const run = createBoundedQueue({ concurrency: 1, waiting: 1, refusal })
    const failure = new Error('broken')
    for (let n = 0; n < 3; n++) {
      expect(await rejectionOf(run(() => Promise.reject(failure)))).to.equal(failure)
    }
    expect(await run(async () => 'done')).to.equal('done')
  })
})
