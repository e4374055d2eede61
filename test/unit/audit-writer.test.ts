import { expect } from 'chai'
import { pino } from 'pino'
import { createAuditWriter, type AuditWriter } from '../../server/web/features/audit/audit-writer.ts'
import type { AuditEntry } from '../../shared/accounts/audit.ts'
import { Unavailable } from '../../shared/kernel/errors.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { eventually } from '../support/eventually.ts'

function entry(action: string, details: AuditEntry['details'] = {}): Omit<AuditEntry, 'id'> {
  const nobody = { actor: 'u1', subject: null, session: null, ip: null, requestId: null }
  return { ...nobody, at: Date.now(), action, details }
}

describe('What is noted for the audit trail', () => {
  let written: AuditEntry[]
  let fault: Error | null
  let attempts: number
  let logged: string
  let writer: AuditWriter

  beforeEach(async () => {
    ;[written, fault, attempts, logged] = [[], null, 0, '']
    writer = createAuditWriter({
      audit: {
        async append(entries) {
          attempts++
          if (fault) throw fault
          written.push(...entries)
        },
      },
      log: pino({ level: 'trace' }, { write: (line: string) => void (logged += line) }),
      capacity: 150,
      retryMs: 5,
    })
    await writer.start()
  })
  afterEach(() => writer.stop(deadlineIn(1_000)))

  it('is written in order, in few steps', async () => {
    const actions = Array.from({ length: 120 }, (_, index) => `action-${index}`)
    for (const action of actions) writer.record(entry(action))
    await eventually(() => expect(written.map(({ action }) => action)).to.deep.equal(actions))
    expect(attempts).to.equal(2)
    expect(written.map(({ id }) => id)).to.deep.equal(written.map(({ id }) => id).toSorted())
  })

  it('grows by a few entries, not by thousands, when one address asks for resets all the time', async () => {
    const ask = (ip: string, more = {}) =>
      writer.record({ ...entry('password-reset-requested'), actor: null, ip, ...more })
    for (let n = 0; n < 1_000; n++) ask('198.51.100.7')
    for (let n = 0; n < 1_000; n++) ask(`2001:db8::${n.toString(16)}`)
    // Neither what is about a known account nor what a known user does is ever left out.
    for (let n = 0; n < 20; n++) ask('198.51.100.7', { subject: 'u2' })
    for (let n = 0; n < 20; n++) ask('198.51.100.7', { actor: 'u3' })
    await writer.stop(deadlineIn(1_000))
    const strangers = written.filter(({ actor, subject }) => actor === null && subject === null)
    expect(written.length - strangers.length).to.equal(40)
    expect(strangers.length).to.equal(2 * 6)
    const counted = strangers.filter(({ details }) => 'repeated' in details)
    expect(counted.map(({ ip, details }) => [ip, details['repeated']])).to.deep.equal([
      ['198.51.100.7', 995],
      ['2001:db8::0', 995],
    ])
  })

  it('grows by a bounded number however many addresses strangers have', async () => {
    const many = createAuditWriter({
      audit: { append: async (entries) => void written.push(...entries) },
      log: pino({ level: 'silent' }),
      strangers: { limits: { windowMs: 60_000, perAddress: 5, inAll: 50 } },
    })
    for (let n = 0; n < 5_000; n++) {
      many.record({ ...entry('login-failed'), actor: null, ip: `10.0.${n >> 8}.${n & 255}` })
    }
    await many.stop(deadlineIn(1_000))
    expect(written.length).to.equal(51)
    expect(written.at(-1)).to.deep.include({ ip: null, details: { repeated: 4_950, withinMs: 60_000 } })
  })

  it('carries no secret', async () => {
    writer.record(
      entry('x', { token: 'abc', deep: { newPassword: 'p' }, link: 'https://a.example/#token=t' }),
    )
    await eventually(() => expect(written).to.have.length(1))
    expect(written[0]?.details).to.deep.equal({
      token: '[redacted]',
      deep: { newPassword: '[redacted]' },
      link: 'https://a.example/?[redacted]',
    })
  })

  it('waits while the database is away, and is written once it is back', async () => {
    fault = new Unavailable('database')
    writer.record(entry('one'))
    await eventually(() => expect(attempts).to.be.at.least(2))
    writer.record(entry('two'))
    fault = null
    await eventually(() => expect(written.map(({ action }) => action)).to.deep.equal(['one', 'two']))
    expect(logged).to.include('the audit trail could not be written')
    expect(logged).not.to.include('are missing')
  })

  it('is given up beyond the room for it, and the log says how much', async () => {
    fault = new Unavailable('database')
    for (let count = 0; count < 160; count++) writer.record(entry('x'))
    fault = null
    await eventually(() => expect(written).to.have.length(150))
    expect(logged).to.include('"lost":10')
  })

  it('does not hold up what follows when the database will not have it', async () => {
    fault = new Error('value too long')
    writer.record(entry('poison'))
    await eventually(() => expect(logged).to.include('"lost":1'))
    fault = null
    writer.record(entry('next'))
    await eventually(() => expect(written.map(({ action }) => action)).to.deep.equal(['next']))
  })

  it('is written before the worker ends, and what could not be is told', async () => {
    writer.record(entry('last'))
    await writer.stop(deadlineIn(1_000))
    expect(written).to.have.length(1)
    await writer.start()
    fault = new Unavailable('database')
    writer.record(entry('lost'))
    await writer.stop(deadlineIn(30))
    expect(logged).to.include('"lost":1')
  })
})
