import { expect } from 'chai'
import { judge, type ChaosEvent } from './history.ts'

const login = (sentAt: number, session = 's', user = 'u'): ChaosEvent => ({
  kind: 'login',
  session,
  user,
  sentAt,
  receivedAt: sentAt + 1,
})
const use = (sentAt: number, status: number, session = 's'): ChaosEvent => ({
  kind: 'use',
  session,
  worker: '1',
  what: 'read',
  sentAt,
  receivedAt: sentAt + 1,
  status,
})
const logout = (sentAt: number, receivedAt: number, confirmed = true): ChaosEvent => ({
  kind: 'revoke',
  user: 'u',
  session: 's',
  sentAt,
  receivedAt,
  confirmed,
})
const logoutAll = (sentAt: number, receivedAt: number, confirmed = true): ChaosEvent => ({
  kind: 'revoke',
  user: 'u',
  sentAt,
  receivedAt,
  confirmed,
})

const stale = (...history: ChaosEvent[]) => judge(history).staleAccepts.length
const spurious = (...history: ChaosEvent[]) => judge(history).spuriousRefusals.length

describe('The history checker', () => {
  it('finds an accept that was sent after the success of the logout was received', () => {
    expect(stale(login(0), logout(10, 20), use(21, 200))).to.equal(1)
  })

  it('finds it whatever the order in which the events were noted', () => {
    expect(stale(use(21, 200), logout(10, 20), login(0))).to.equal(1)
  })

  it('lets requests that overlap the logout be answered either way', () => {
    const history = [login(0), logout(10, 20), use(5, 200), use(12, 200), use(20, 200), use(11, 401)]
    expect(judge(history)).to.deep.include({ staleAccepts: [], spuriousRefusals: [] })
  })

  it('counts a write as an accept', () => {
    expect(stale(login(0), logout(10, 20), use(30, 204))).to.equal(1)
  })

  it('expects nothing of a logout that was not confirmed', () => {
    expect(stale(login(0), logout(10, 20, false), use(30, 200))).to.equal(0)
    expect(spurious(login(0), logout(10, 20, false), use(30, 401))).to.equal(0)
  })

  it('counts from the first success when a logout is repeated', () => {
    expect(stale(login(0), logout(10, 20), logout(30, 40), use(25, 200))).to.equal(1)
  })

  it('finds an accept of any session of the user after the success of a logout of all', () => {
    expect(stale(login(0), login(0, 't'), logoutAll(10, 20), use(30, 200), use(30, 200, 't'))).to.equal(2)
  })

  it('spares sessions of other users, and logins after or during the logout of all', () => {
    const history = [login(0, 'x', 'other'), login(15), login(25, 't'), logoutAll(10, 20)]
    expect(stale(...history, use(30, 200, 'x'), use(30, 200), use(30, 200, 't'))).to.equal(0)
  })

  it('finds a refusal before any revocation of the session was sent', () => {
    expect(spurious(login(0), use(5, 401), logout(10, 20))).to.equal(1)
    expect(spurious(login(0), use(5, 401))).to.equal(1)
  })

  it('finds a refusal of a session that began after a confirmed logout of all', () => {
    expect(spurious(logoutAll(0, 10), login(11), use(20, 401))).to.equal(1)
  })

  it('excuses it when that logout of all was not confirmed, since it may take effect later', () => {
    expect(spurious(logoutAll(0, 10, false), login(11), use(20, 401))).to.equal(0)
  })

  it('excuses refusals once everything was deleted, but not of sessions that began afterwards', () => {
    const flush: ChaosEvent = { kind: 'flush', sentAt: 10, receivedAt: 12 }
    expect(spurious(login(0), flush, use(15, 401))).to.equal(0)
    expect(spurious(login(0), use(5, 401), flush)).to.equal(1)
    expect(spurious(flush, login(13), use(20, 401))).to.equal(1)
  })

  it('takes no outage for a refusal', () => {
    expect(spurious(login(0), use(5, 503), use(6, 0))).to.equal(0)
  })

  it('counts what a liveness floor needs', () => {
    const history = [login(0), use(2, 200), use(3, 503), logout(10, 20), use(30, 401), logout(40, 50, false)]
    expect(judge(history)).to.include({
      logins: 1,
      usesAlive: 2,
      acceptedAlive: 1,
      refusedDead: 1,
      confirmedRevocations: 1,
      unconfirmedRevocations: 1,
    })
  })

  const delivery = (sentAt: number): ChaosEvent => ({
    kind: 'delivery',
    session: 's',
    worker: '1',
    sentAt,
    receivedAt: sentAt + 100,
  })

  it('finds an event that was sent after the success, and none that only arrived after it', () => {
    const history = [login(0), logout(10, 20), delivery(15), delivery(20)]
    expect(judge(history)).to.deep.include({ staleDeliveries: [], deliveries: 2 })
    expect(judge([...history, delivery(21)]).staleDeliveries).to.have.length(1)
    expect(judge([login(0), logout(10, 20, false), delivery(30)]).staleDeliveries).to.have.length(0)
  })

  it('finds a stream that was told of the end of a session that nobody had asked for', () => {
    const end = (receivedAt: number): ChaosEvent => ({
      kind: 'stream end',
      session: 's',
      worker: '1',
      sentAt: receivedAt,
      receivedAt,
    })
    expect(judge([login(0), end(5), logout(10, 20)])).to.deep.include({ spuriousEnds: 1, streamEnds: 1 })
    expect(judge([login(0), end(11), logout(10, 20)]).spuriousEnds).to.equal(0)
  })
})
