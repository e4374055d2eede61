import { expect } from 'chai'
import type { Account, AccountStore, NewAccount } from '../../shared/accounts/accounts.ts'
import { UnstorableText } from '../../shared/accounts/stored-text.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'

/** One database of an implementation, new and empty. */
export interface AccountsSubject {
  /** A store over it, not started; several may be open at once. */
  open(): AccountStore
  /** Runs a statement past the store. */
  execute(statement: string): Promise<unknown>
}

const ada: NewAccount = {
  email: 'Ada@Example.com',
  name: 'Ada Lovelace',
  roles: ['user', 'operator'],
  passwordHash: 'hash-of-ada',
}

/** What every store of accounts has to keep to. `prepare` gives each test a database of its own. */
export function describeAccountStore(name: string, prepare: () => Promise<AccountsSubject>): void {
  describe(`accounts in ${name}`, () => {
    let subject: AccountsSubject
    let accounts: AccountStore
    let opened: AccountStore[]

    async function open(): Promise<AccountStore> {
      const store = subject.open()
      opened.push(store)
      await store.start()
      return store
    }

    beforeEach(async () => {
      opened = []
      subject = await prepare()
      await subject.open().migrate()
      accounts = await open()
    })

    afterEach(async () => {
      await Promise.all(opened.map((store) => store.stop(deadlineIn(5_000))))
    })

    async function create(overrides: Partial<NewAccount> = {}, store = accounts): Promise<Account> {
      const created = await store.create({ ...ada, ...overrides })
      if (created === 'email-taken') throw new Error('the address is taken')
      return created
    }

    it('a new account is found by id and by address, with everything it was made of', async () => {
      const before = Date.now()
      const created = await create({ emailVerified: true, tier: 'pro' })
      expect(created).to.include({
        email: 'Ada@Example.com',
        name: 'Ada Lovelace',
        disabled: false,
        emailVerified: true,
        tier: 'pro',
        version: 1,
      })
      expect(created.roles).to.deep.equal(['user', 'operator'])
      expect(created.createdAt).to.be.within(before, Date.now())
      expect(created.updatedAt).to.equal(created.createdAt)
      expect(await accounts.findById(created.id)).to.deep.equal(created)
      expect(await accounts.findByEmail('Ada@Example.com')).to.deep.equal(created)
      expect(await accounts.passwordHash(created.id)).to.equal('hash-of-ada')
    })

    it('an account says nothing of its password', async () => {
      const created = await create()
      expect(JSON.stringify(created)).not.to.include('hash-of-ada')
    })

    it('a new account is enabled, unverified and on the free tier unless told otherwise', async () => {
      expect(await create()).to.include({ disabled: false, emailVerified: false, tier: 'free' })
    })

    it('ids are unlike each other and give no order away', async () => {
      const ids = await Promise.all([1, 2, 3].map(async (n) => (await create({ email: `${n}@x.org` })).id))
      expect(new Set(ids)).to.have.lengthOf(3)
      for (const id of ids) expect(id).to.match(/^[0-9a-f-]{36}$/)
    })

    it('what does not exist is null, not an error', async () => {
      expect(await accounts.findById('nobody')).to.equal(null)
      expect(await accounts.findByEmail('nobody@example.com')).to.equal(null)
      expect(await accounts.passwordHash('nobody')).to.equal(null)
      expect(await accounts.update('nobody', { name: 'Somebody' })).to.equal(null)
      expect(await accounts.setPassword('nobody', 'hash')).to.equal('gone')
      expect(await accounts.setPassword('nobody', 'hash', 'expected')).to.equal('gone')
      expect(await accounts.findResetToken('nothing', 0)).to.equal(null)
      expect(await accounts.resetPassword('nothing', 'hash', 0)).to.equal(null)
      await accounts.addResetToken('nobody', 'token', Date.now() + 60_000)
      expect(await accounts.findResetToken('token', 0)).to.equal(null)
    })

    it('accounts are counted', async () => {
      expect(await accounts.count()).to.equal(0)
      await create()
      await create({ email: 'grace@example.com' })
      expect(await accounts.count()).to.equal(2)
    })

    it('it answers a ping', async () => {
      await accounts.ping()
    })

    describe('addresses', () => {
      const spellings = {
        'another letter case': ['ada@example.com', 'ADA@EXAMPLE.COM'],
        'spaces around it': ['ada@example.com', '  ada@example.com\t'],
        'an accent composed or not': ['jos\u00e9@example.com', 'jose\u0301@example.com'],
        'an accented capital': ['\u00c9milie@example.com', 'e\u0301milie@example.com'],
      } satisfies Record<string, [string, string]>

      for (const [difference, [first, second]] of Object.entries(spellings)) {
        it(`${difference} makes no second account`, async () => {
          const created = await create({ email: first })
          expect(await accounts.create({ ...ada, email: second })).to.equal('email-taken')
          expect(await accounts.findByEmail(second)).to.deep.equal(created)
        })
      }

      it('an address is kept as it was written, without the spaces around it', async () => {
        expect(await create({ email: ' Ada.Lovelace@Example.COM ' })).to.include({
          email: 'Ada.Lovelace@Example.COM',
        })
      })

      it('letters that only look alike are two accounts', async () => {
        await create({ email: 'mike@example.com' })
        await create({ email: 'm\u0131ke@example.com' })
        expect(await accounts.count()).to.equal(2)
      })

      it('of 20 simultaneous accounts with one address one comes into being', async () => {
        const stores = [accounts, await open()]
        const results = await Promise.all(
          Array.from({ length: 20 }, (_, n) =>
            stores[n % 2]!.create({ ...ada, email: n % 3 ? 'ada@example.com' : 'ADA@example.com' }),
          ),
        )
        expect(results.filter((result) => result !== 'email-taken')).to.have.lengthOf(1)
        expect(await accounts.count()).to.equal(1)
      })
    })

    describe('changes', () => {
      it('a change touches what it names, and nothing else', async () => {
        const created = await create()
        const changed = await accounts.update(created.id, { roles: ['admin', 'admin'], disabled: true })
        expect(changed).to.deep.include({
          roles: ['admin'],
          disabled: true,
          name: 'Ada Lovelace',
          tier: 'free',
        })
        const again = await accounts.update(created.id, { name: 'Ada', emailVerified: true, tier: 'pro' })
        expect(again).to.deep.include({ roles: ['admin'], disabled: true, name: 'Ada', tier: 'pro' })
        expect(again).to.include({ emailVerified: true, createdAt: created.createdAt })
        expect(await accounts.findById(created.id)).to.deep.equal(again)
      })

      it('a change leaves the other accounts alone', async () => {
        const created = await create()
        const other = await create({ email: 'grace@example.com' })
        await accounts.update(created.id, { name: 'Ada' })
        await accounts.setPassword(created.id, 'new-hash')
        expect(await accounts.findById(other.id)).to.deep.equal(other)
        expect(await accounts.passwordHash(other.id)).to.equal('hash-of-ada')
      })

      it('a change that names nothing changes nothing', async () => {
        const created = await create()
        expect(await accounts.update(created.id, {})).to.deep.equal(created)
        expect(await accounts.update(created.id, { name: undefined })).to.deep.equal(created)
      })

      it('the version grows by one with every change, the password included', async () => {
        const { id } = await create()
        await accounts.update(id, { name: 'Ada' })
        await accounts.setPassword(id, 'second')
        await accounts.addResetToken(id, 'token', Date.now() + 60_000)
        await accounts.resetPassword('token', 'third', Date.now())
        expect(await accounts.findById(id)).to.include({ version: 4 })
      })

      it('no change of the version is lost when many come at once', async () => {
        const { id } = await create()
        const stores = [accounts, await open()]
        await Promise.all(
          Array.from({ length: 20 }, (_, n) => stores[n % 2]!.update(id, { name: `Ada ${n}` })),
        )
        expect(await accounts.findById(id)).to.include({ version: 21 })
      })
    })

    describe('lists', () => {
      const emails = ['b@x.org', 'A@x.org', 'c@x.org', 'é@x.org', 'a-b@x.org', 'a.b@x.org', 'aa@x.org']
      const inOrder = ['a-b@x.org', 'a.b@x.org', 'A@x.org', 'aa@x.org', 'b@x.org', 'c@x.org', 'é@x.org']

      beforeEach(async () => {
        for (const email of emails) await create({ email })
      })

      it('accounts come in the order of their addresses, the same on every database', async () => {
        const page = await accounts.list({ limit: 100 })
        expect(page.map(({ email }) => email)).to.deep.equal(inOrder)
      })

      it('pages follow one another without gap or overlap', async () => {
        const seen: string[] = []
        for (let after: string | undefined; ; after = seen.at(-1)) {
          const page = await accounts.list({ limit: 3, ...(after !== undefined && { after }) })
          if (page.length === 0) break
          expect(page).to.have.lengthOf.at.most(3)
          seen.push(...page.map(({ email }) => email))
        }
        expect(seen).to.deep.equal(inOrder)
      })

      it('a page may begin after an address that no account has', async () => {
        const page = await accounts.list({ after: 'BB@x.org', limit: 1 })
        expect(page.map(({ email }) => email)).to.deep.equal(['c@x.org'])
      })

      it('are searched by a part of the address or of the name, whatever its letters, as it was typed', async () => {
        await create({ email: 'zoe_1@x.org', name: 'Zoë 100% Ünal' })
        const found = async (search: string, after?: string) =>
          (await accounts.list({ search, limit: 100, ...(after !== undefined && { after }) })).map(
            ({ email }) => email,
          )
        expect(await found('B@X')).to.deep.equal(['a-b@x.org', 'a.b@x.org', 'b@x.org'])
        expect(await found('b@x', 'a-b@x.org')).to.deep.equal(['a.b@x.org', 'b@x.org'])
        expect(await found('ZO')).to.deep.equal(['zoe_1@x.org'])
        for (const typed of ['100%', 'e_1', 'Zoë', 'Ünal']) {
          expect(await found(typed), typed).to.deep.equal(['zoe_1@x.org'])
        }
        for (const typed of ['0_%', '!', "'", '\\', 'nobody', '\0', '\ud800']) {
          expect(await found(typed), typed).to.deep.equal([])
        }
      })

      it('one account of them, and the addresses of some', async () => {
        const { id, email } = await create({ email: 'one@x.org' })
        expect(await accounts.findListed(id)).to.include({ id, email })
        expect(await accounts.findListed('nobody')).to.equal(null)
        expect(await accounts.emailsOf([id, 'nobody', id, '\0'])).to.deep.equal(new Map([[id, email]]))
        expect(await accounts.emailsOf([])).to.deep.equal(new Map())
      })

      it('a page without a size is refused', async () => {
        for (const limit of [0, -1, 1.5, Number.NaN]) {
          expect(await rejectionOf(accounts.list({ limit }))).to.be.instanceOf(RangeError)
        }
      })
    })

    describe('passwords', () => {
      it('a password is replaced', async () => {
        const { id } = await create()
        expect(await accounts.setPassword(id, 'new-hash')).to.equal('changed')
        expect(await accounts.passwordHash(id)).to.equal('new-hash')
      })

      it('a change that expected another password is refused and changes nothing', async () => {
        const created = await create()
        expect(await accounts.setPassword(created.id, 'new-hash', 'older-hash')).to.equal('conflict')
        expect(await accounts.passwordHash(created.id)).to.equal('hash-of-ada')
        expect(await accounts.findById(created.id)).to.deep.equal(created)
      })

      it('of many simultaneous changes of one password one wins', async () => {
        const { id } = await create()
        const stores = [accounts, await open()]
        const results = await Promise.all(
          Array.from({ length: 10 }, (_, n) => stores[n % 2]!.setPassword(id, `hash-${n}`, 'hash-of-ada')),
        )
        const winner = results.indexOf('changed')
        expect(results.filter((result) => result === 'changed')).to.have.lengthOf(1)
        expect(results.filter((result) => result === 'conflict')).to.have.lengthOf(9)
        expect(await accounts.passwordHash(id)).to.equal(`hash-${winner}`)
      })

      it('a new password voids every reset token of the account, and of no other', async () => {
        const { id } = await create()
        const other = await create({ email: 'grace@example.com' })
        for (const token of ['one', 'two']) await accounts.addResetToken(id, token, 1_000)
        await accounts.addResetToken(other.id, 'three', Date.now() + 60_000)
        await accounts.setPassword(id, 'new-hash')
        expect(await accounts.findResetToken('one', 0)).to.equal(null)
        expect(await accounts.findResetToken('two', 0)).to.equal(null)
        expect(await accounts.findResetToken('three', 0)).to.deep.equal(other)
      })

      it('a refused change voids no reset token', async () => {
        const created = await create()
        await accounts.addResetToken(created.id, 'token', Date.now() + 60_000)
        await accounts.setPassword(created.id, 'new-hash', 'older-hash')
        expect(await accounts.findResetToken('token', 0)).to.deep.equal(created)
      })
    })

    describe('reset tokens', () => {
      const later = Date.now() + 3_600_000

      it('a token leads to its account until it expires', async () => {
        const created = await create()
        await accounts.addResetToken(created.id, 'token', later)
        expect(await accounts.findResetToken('token', later - 1)).to.deep.equal(created)
        expect(await accounts.findResetToken('token', later)).to.equal(null)
        expect(await accounts.resetPassword('token', 'new-hash', later)).to.equal(null)
        expect(await accounts.passwordHash(created.id)).to.equal('hash-of-ada')
      })

      it('looking at a token does not use it up, resetting does', async () => {
        const { id } = await create()
        await accounts.addResetToken(id, 'token', later)
        await accounts.findResetToken('token', 0)
        const reset = await accounts.resetPassword('token', 'new-hash', 0)
        expect(reset).to.deep.equal(await accounts.findById(id))
        expect(await accounts.passwordHash(id)).to.equal('new-hash')
        expect(await accounts.findResetToken('token', 0)).to.equal(null)
        expect(await accounts.resetPassword('token', 'third', 0)).to.equal(null)
      })

      it('a token of the other kind verifies the address once, and sets no password', async () => {
        const { id, ...created } = await create()
        await accounts.addVerificationToken(id, 'proof', later)
        expect(await accounts.resetPassword('proof', 'new-hash', 0)).to.equal(null)
        expect(await accounts.verifyEmail('proof', later)).to.equal(null)
        expect(created.emailVerified).to.equal(false)
        const answers = await Promise.all(Array.from({ length: 10 }, () => accounts.verifyEmail('proof', 0)))
        const [won, ...more] = answers.filter((answer) => answer !== null)
        expect(more).to.deep.equal([])
        expect(won).to.deep.include({ id, emailVerified: true, version: created.version + 1 })
        expect(await accounts.passwordHash(id)).not.to.equal('new-hash')
        await accounts.addVerificationToken('nobody', 'other', later)
        expect(await accounts.verifyEmail('other', 0)).to.equal(null)
      })

      it('a reset voids the other tokens of the account', async () => {
        const { id } = await create()
        for (const token of ['one', 'two']) await accounts.addResetToken(id, token, later)
        await accounts.resetPassword('two', 'new-hash', 0)
        expect(await accounts.resetPassword('one', 'third', 0)).to.equal(null)
      })

      it('of many simultaneous resets with one token one wins', async () => {
        const { id } = await create()
        await accounts.addResetToken(id, 'token', later)
        const stores = [accounts, await open()]
        const results = await Promise.all(
          Array.from({ length: 20 }, (_, n) => stores[n % 2]!.resetPassword('token', `hash-${n}`, 0)),
        )
        const winners = results.flatMap((account, n) => (account ? [n] : []))
        expect(winners).to.have.lengthOf(1)
        expect(await accounts.passwordHash(id)).to.equal(`hash-${winners[0]}`)
        expect(await accounts.findById(id)).to.include({ version: 2 })
      })

      it('of simultaneous resets with different tokens of one account one wins', async () => {
        const { id } = await create()
        const tokens = Array.from({ length: 8 }, (_, n) => `token-${n}`)
        for (const token of tokens) await accounts.addResetToken(id, token, later)
        const stores = [accounts, await open()]
        const results = await Promise.all(
          tokens.map((token, n) => stores[n % 2]!.resetPassword(token, `hash-of-${token}`, 0)),
        )
        expect(results.filter(Boolean)).to.have.lengthOf(1)
      })

      it('expired tokens of an account go when it gets a new one', async () => {
        const { id } = await create()
        await accounts.addResetToken(id, 'old', 1_000)
        await accounts.addResetToken(id, 'new', later)
        expect(await accounts.findResetToken('old', 0)).to.equal(null)
        expect(await accounts.findResetToken('new', 0)).not.to.equal(null)
      })
    })

    describe('migrations', () => {
      it('migrating again changes nothing', async () => {
        const created = await create()
        await accounts.migrate()
        await subject.open().migrate()
        expect(await accounts.findById(created.id)).to.deep.equal(created)
      })

      it('those that are missing are known before they are run', async () => {
        expect(await accounts.missingMigrations()).to.deep.equal([])
        subject = await prepare()
        const empty = await open()
        expect(await empty.missingMigrations()).to.include('001-accounts')
        await empty.migrate()
        expect(await empty.missingMigrations()).to.deep.equal([])
      })

      it('several processes may migrate an empty database at once', async () => {
        subject = await prepare()
        await Promise.all([1, 2, 3, 4].map(() => subject.open().migrate()))
        const store = await open()
        expect(await create({}, store)).to.include({ version: 1 })
      })
    })

    describe('hostile texts', () => {
      const texts = {
        quotes: `'; drop table accounts; -- " \` \\`,
        placeholders: '? $1 :name @p %s ${x} {{x}}',
        'control characters': 'a\nb\r\u0007\u001b[31m',
        'right-to-left and emoji': '\u202eevil 👩‍💻 \ufeff',
        'a hundred thousand characters': 'x'.repeat(100_000),
        'JSON and prototypes': '{"__proto__":{"admin":true}}',
      }

      for (const [kind, text] of Object.entries(texts)) {
        it(`${kind} are kept as they are and do nothing`, async () => {
          const created = await create({ name: text, tier: text, passwordHash: text })
          expect(await accounts.findById(created.id)).to.include({ name: text, tier: text })
          expect(await accounts.passwordHash(created.id)).to.equal(text)
          expect(await accounts.update(created.id, { name: `${text}!` })).to.include({ name: `${text}!` })
          expect(await accounts.findById(text)).to.equal(null)
          expect(await accounts.findByEmail(text)).to.equal(null)
          expect(await accounts.findResetToken(text, 0)).to.equal(null)
          expect(await accounts.count()).to.equal(1)
        })
      }

      for (const [kind, text] of Object.entries({ NUL: 'a\0b', 'half a character': 'a\ud800b' })) {
        it(`${kind} is refused with the name of the field, and never found`, async () => {
          const { id } = await create()
          for (const fields of [{ email: `${text}@x.org` }, { email: 'x@x.org', name: text }]) {
            const refusal = await rejectionOf(accounts.create({ ...ada, ...fields }))
            expect(refusal).to.be.instanceOf(UnstorableText)
            expect(refusal.message).to.match(/^(email|name) must not contain NUL/)
          }
          expect(await rejectionOf(accounts.update(id, { tier: text }))).to.be.instanceOf(UnstorableText)
          expect(await rejectionOf(accounts.list({ after: text, limit: 1 }))).to.be.instanceOf(UnstorableText)
          expect(await accounts.findById(text)).to.equal(null)
          expect(await accounts.findByEmail(text)).to.equal(null)
          expect(await accounts.passwordHash(text)).to.equal(null)
          expect(await accounts.setPassword(text, 'hash')).to.equal('gone')
          expect(await accounts.resetPassword(text, 'hash', 0)).to.equal(null)
          expect(await accounts.count()).to.equal(1)
        })
      }

      it('an address that is empty or too long is refused', async () => {
        const long = `${'x'.repeat(250)}@x.org`
        for (const email of ['', ' \t ', long, `${'x'.repeat(100_000)}@x.org`]) {
          expect(await rejectionOf(accounts.create({ ...ada, email }))).to.be.instanceOf(UnstorableText)
        }
        const longest = `${'👩'.repeat(124)}@x.org`
        await create({ email: longest })
        expect(await accounts.findByEmail(longest)).not.to.equal(null)
      })
    })

    describe('the last administrator', () => {
      const administrator = (number: number) =>
        create({ email: `admin${number}@x.org`, roles: ['user', 'admin'] })
      const administrators = async () =>
        (await accounts.list({ limit: 100 })).filter((one) => one.roles.includes('admin') && !one.disabled)

      it('stays, however many stop being administrators at the same moment', async () => {
        const all = await Promise.all(Array.from({ length: 12 }, (_, number) => administrator(number)))
        await create()
        const stores = await Promise.all([open(), open(), open()])
        const outcomes = await Promise.all(
          all.map(({ id }, index) =>
            stores[index % 3]!.updateKeepingAdministrator(
              id,
              index % 2 === 0 ? { roles: ['user'] } : { disabled: true },
            ),
          ),
        )
        expect(outcomes.filter((outcome) => outcome === 'last-administrator')).to.have.length(1)
        expect(await administrators()).to.have.length(1)
        const kept = all.find((_, index) => outcomes[index] === 'last-administrator')
        expect(await accounts.findById(kept!.id), 'nothing of the refused change was written').to.deep.equal(
          kept,
        )
      })

      it('is not one who is disabled, or whose record is damaged', async () => {
        const [{ id }, disabled, damaged] = [
          await administrator(1),
          await administrator(2),
          await administrator(3),
        ]
        await accounts.update(disabled.id, { disabled: true })
        await subject.execute(`update accounts set disabled = 7 where id = '${damaged.id}'`)
        for (const changes of [{ roles: ['user'] }, { disabled: true }, { name: 'X', roles: [] }]) {
          expect(await accounts.updateKeepingAdministrator(id, changes)).to.equal('last-administrator')
        }
        expect(await accounts.updateKeepingAdministrator(id, { name: 'X', roles: ['admin'] })).to.include({
          name: 'X',
        })
        expect(await accounts.updateKeepingAdministrator('nobody', { disabled: true })).to.equal(null)
        await accounts.update(disabled.id, { disabled: false })
        expect(await accounts.updateKeepingAdministrator(id, { disabled: true })).to.include({
          disabled: true,
        })
      })
    })

    describe('versions', () => {
      it('are drawn above one that is known elsewhere, and by one of many only', async () => {
        const { id } = await create()
        const raised = await Promise.all(Array.from({ length: 5 }, () => accounts.raiseVersion(id, 7)))
        for (const account of raised) expect(account?.version).to.equal(8)
        expect((await accounts.raiseVersion(id, 3))?.version, 'it is above already').to.equal(8)
        expect(await accounts.raiseVersion('nobody', 3)).to.equal(null)
      })

      it('belong to the database that they were drawn in', async () => {
        const { lineage } = await create()
        expect(lineage).to.equal((await accounts.deployments.describe()).id)
      })
    })

    describe('deployments', () => {
      it('a database has an id of its own, the same for each store over it', async () => {
        const { id, olderThanNames, spaces } = await accounts.deployments.describe()
        expect(id).to.match(/^[0-9a-f-]{36}$/)
        expect((await (await open()).deployments.describe()).id).to.equal(id)
        expect((await prepareAnother()).id).not.to.equal(id)
        expect({ olderThanNames, spaces: [...spaces] }).to.deep.equal({ olderThanNames: false, spaces: [] })
      })

      it('the key space of a name is that of whoever said it first, also of many at once', async () => {
        const others = await Promise.all([open(), open(), open()])
        const kept = await Promise.all(
          others.flatMap(({ deployments }, index) => [
            deployments.keepSpace('', `none${index}`),
            deployments.keepSpace('Shop', `shop${index}`),
          ]),
        )
        const { spaces } = await accounts.deployments.describe()
        expect([...spaces.keys()].sort()).to.deep.equal(['', 'Shop'])
        expect(new Set(kept)).to.deep.equal(new Set(spaces.values()))
      })

      it('one with accounts from before deployments had names says so', async () => {
        await create()
        await subject.execute('drop table installation')
        await subject.execute('drop table deployments')
        await subject.execute('drop table verification_tokens')
        await subject.execute("delete from kysely_migration where name >= '004'")
        await subject.open().migrate()
        expect((await accounts.deployments.describe()).olderThanNames).to.equal(true)
      })

      async function prepareAnother() {
        const another = await prepare()
        await another.open().migrate()
        const store = another.open()
        opened.push(store)
        await store.start()
        return store.deployments.describe()
      }
    })

    describe('damaged records', () => {
      const damages = {
        'roles that are no JSON': `update accounts set roles = '["admin"'`,
        'a role that can be none': `update accounts set roles = '["em,peror"]'`,
        'roles that are no list': `update accounts set roles = '"admin"'`,
        'a flag that is neither yes nor no': 'update accounts set disabled = 7',
        'a version that is none': 'update accounts set version = -1',
      }

      for (const [damage, statement] of Object.entries(damages)) {
        it(`${damage} is an error that names the record, and no account`, async () => {
          const { id } = await create()
          await subject.execute(statement)
          for (const reading of [accounts.findById(id), accounts.findByEmail(ada.email)]) {
            const failure = await rejectionOf(reading)
            expect(failure.message).to.match(new RegExp(`^the record of account ${id} is damaged`))
            expect(failure.message).not.to.include('hash-of-ada')
          }
        })
      }

      it('are shown in the list as damaged, with what can be read, and hide nobody else', async () => {
        const { id } = await create()
        const bob = await create({ email: 'bob@x.org' })
        await subject.execute(`update accounts set roles = '["admin"', disabled = 7 where id = '${id}'`)
        const [damaged, whole] = await accounts.list({ limit: 10 })
        expect(damaged).to.include({ id, email: ada.email, name: ada.name, disabled: true })
        expect(damaged?.roles).to.deep.equal([])
        expect(damaged?.damaged?.join()).to.match(/^roles: .*,disabled: /)
        expect(whole).to.deep.equal(bob)
        expect(await accounts.has(id)).to.equal(true)
        expect(await accounts.has('nobody')).to.equal(false)
        expect(await accounts.findIdByEmail(ada.email)).to.equal(id)
      })

      for (const [damage, statement] of Object.entries(damages)) {
        it(`${damage}: any change puts the record right, and opens nothing that was not asked for`, async () => {
          const { id } = await create({ roles: ['user', 'admin'] })
          await subject.execute(statement)
          await create({ email: 'another@x.org', roles: ['admin'] })
          const repaired = await accounts.update(id, { tier: 'pro' })
          expect(repaired).to.include({ id, email: ada.email, tier: 'pro' })
          expect(await accounts.findById(id)).to.deep.equal(repaired)
          if (damage.includes('role')) expect(repaired?.roles).to.deep.equal([])
          if (damage.includes('flag')) expect(repaired?.disabled).to.equal(true)
          const opened = await accounts.updateKeepingAdministrator(id, { roles: ['user'], disabled: false })
          expect(opened).to.deep.include({ roles: ['user'], disabled: false })
        })
      }
    })

    describe('opening and closing', () => {
      it('what was written is there after closing and opening', async () => {
        const created = await create()
        await accounts.addResetToken(created.id, 'token', Date.now() + 60_000)
        await accounts.stop(deadlineIn(5_000))
        const again = await open()
        expect(await again.findById(created.id)).to.deep.equal(created)
        expect(await again.findResetToken('token', 0)).to.deep.equal(created)
      })

      it('a store may be started and stopped twice, and stopped before it was started', async () => {
        const store = subject.open()
        await store.stop(deadlineIn(5_000))
        await store.start()
        await store.start()
        await store.ping()
        await store.stop(deadlineIn(5_000))
        await store.stop(deadlineIn(5_000))
        expect((await rejectionOf(store.ping())).message).to.equal('the accounts are not open')
      })
    })
  })
}

/** What the promise rejects with; fails when it does not. */
export async function rejectionOf(promise: Promise<unknown>): Promise<Error> {
  const outcome = await promise.then(
    () => null,
    (failure: unknown) => failure,
  )
  if (!(outcome instanceof Error)) throw new Error('nothing was refused')
  return outcome
}
