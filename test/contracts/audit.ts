import { expect } from 'chai'
import type { AccountStore } from '../../shared/accounts/accounts.ts'
import { createAuditIds, type AuditEntry } from '../../shared/accounts/audit.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'

const nextId = createAuditIds()

function entry(at: number, overrides: Partial<AuditEntry> = {}): AuditEntry {
  return {
    id: nextId(at),
    at,
    actor: 'ada',
    action: 'login',
    subject: 'ada',
    session: 's1',
    ip: '192.0.2.7',
    requestId: 'r1',
    details: { transport: 'cookie' },
    ...overrides,
  }
}

/** What every audit trail has to keep to. `prepare` gives a store over a new database, not started. */
export function describeAuditTrail(name: string, prepare: () => Promise<AccountStore>): void {
  describe(`the audit trail in ${name}`, () => {
    let accounts: AccountStore

    beforeEach(async () => {
      accounts = await prepare()
      await accounts.migrate()
      await accounts.start()
    })
    afterEach(() => accounts.stop(deadlineIn(5_000)))

    async function idsOf(page: Parameters<AccountStore['audit']['list']>[0]): Promise<string[]> {
      return (await accounts.audit.list(page)).map(({ id }) => id)
    }

    it('gives back what was put in, newest first', async () => {
      const nobody = { actor: null, subject: null, session: null, ip: null, requestId: null, details: {} }
      const entries = [entry(1_000), entry(1_000), entry(2_000, nobody), entry(1_500)]
      await accounts.audit.append(entries)
      const found = await accounts.audit.list({ limit: 10 })
      expect(found).to.deep.equal([entries[2], entries[3], entries[1], entries[0]])
    })

    it('is read page by page without a gap, whatever is added meanwhile', async () => {
      const entries = Array.from({ length: 7 }, (_, index) => entry(1_000 + index))
      await accounts.audit.append(entries)
      const first = await idsOf({ limit: 3 })
      await accounts.audit.append([entry(9_000)])
      const second = await idsOf({ limit: 3, after: first[2]! })
      const third = await idsOf({ limit: 3, after: second[2]! })
      expect([...first, ...second, ...third]).to.deep.equal(entries.map(({ id }) => id).reverse())
    })

    it('shows what happened from one moment on and before another', async () => {
      const entries = [entry(1_000), entry(2_000), entry(2_999), entry(3_000)]
      await accounts.audit.append(entries)
      const [, second, third, last] = entries.map(({ id }) => id)
      expect(await idsOf({ limit: 9, from: 2_000, until: 3_000 })).to.deep.equal([third, second])
      expect(await idsOf({ limit: 9, from: 3_000 })).to.deep.equal([last])
      expect(await idsOf({ limit: 9, until: 1_000 })).to.deep.equal([])
    })

    it('shows what a user did and what was done to them', async () => {
      const byEve = entry(1, { actor: 'eve', subject: 'ada', action: 'account-changed' })
      const byAda = entry(2, { actor: 'ada', subject: null, action: 'settings-changed' })
      const ofBob = entry(3, { actor: 'bob', subject: 'bob' })
      await accounts.audit.append([byEve, byAda, ofBob])
      expect(await idsOf({ limit: 9, user: 'ada' })).to.deep.equal([byAda.id, byEve.id])
      expect(await idsOf({ limit: 9, action: 'login' })).to.deep.equal([ofBob.id])
      expect(await idsOf({ limit: 9, user: 'ada', action: 'login' })).to.deep.equal([])
      expect(await idsOf({ limit: 9, user: 'a\0da' })).to.deep.equal([])
    })

    it('takes an entry once, however often it is sent', async () => {
      const [one, other] = [entry(1), entry(2)]
      await accounts.audit.append([one])
      await accounts.audit.append([{ ...one, action: 'forged' }, other])
      await accounts.audit.append([])
      expect(await accounts.audit.list({ limit: 9 })).to.deep.equal([other, one])
    })

    it('keeps a note readable that carries what no database takes', async () => {
      await accounts.audit.append([entry(1, { subject: 'echo/\0\ud800', details: { text: '\0\ud800 é' } })])
      const [found] = await accounts.audit.list({ limit: 1 })
      expect(found?.subject).to.equal('echo/\ufffd\ufffd')
      expect(found?.details).to.deep.equal({ text: '\0\ud800 é' })
    })

    it('forgets the oldest, no more than it is told at once', async () => {
      const entries = [1_000, 1_001, 1_002, 2_000].map((at) => entry(at))
      await accounts.audit.append(entries)
      expect(await accounts.audit.prune(2_000, 2)).to.equal(2)
      expect(await idsOf({ limit: 9 })).to.deep.equal([entries[3]!.id, entries[2]!.id])
      expect(await accounts.audit.prune(2_000, 2)).to.equal(1)
      expect(await accounts.audit.prune(2_000, 2)).to.equal(0)
      expect(await idsOf({ limit: 9 })).to.deep.equal([entries[3]!.id])
    })
  })
}
