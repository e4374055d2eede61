import { expect } from 'chai'
import { clockToleranceMs, stallMs } from '../../shared/coherence/constants.ts'
import { MemberState } from '../../shared/coherence/member-state.ts'
import { createManualClock } from '../support/manual-clock.ts'

const leaseMs = 1_000

function createMember() {
  const clock = createManualClock()
  const effects: string[] = []
  const state = new MemberState(clock, {
    apply: ({ kind, id }) => effects.push(`${kind} ${id}`),
    flush: () => effects.push('flush'),
  })
  const now = () => ({ mono: clock.mono(), wall: clock.wall(), leaseMs, applied: state.applied })
  return { clock, state, effects, now }
}

/** A member that has joined the incarnation `a` and is up to date at 5, with a lease from this moment on. */
function joined() {
  const member = createMember()
  member.state.renewed(member.now(), { inc: 'a', seq: 5 })
  member.effects.length = 0
  return member
}

describe('A member of the coherence domain', () => {
  it('decides nothing from its memory before its first renewal', () => {
    const { state } = createMember()
    expect(state.leaseOk()).to.equal(false)
    expect(state.mayFill({ inc: 'a', seq: 1 })).to.equal(false)
  })

  it('holds its lease from before the renewal was sent, however late the reply', () => {
    const { clock, state, now } = createMember()
    const sent = now()
    clock.advance(leaseMs - 1)
    state.renewed(sent, { inc: 'a', seq: 0 })
    expect(state.leaseOk()).to.equal(true)
    clock.advance(1)
    expect(state.leaseOk()).to.equal(false)
    expect(state.leaseLeftMs()).to.equal(0)
  })

  it('has no lease after the machine was suspended longer than it', () => {
    const { clock, state } = joined()
    clock.suspend(leaseMs)
    expect(state.leaseOk()).to.equal(false)
  })

  it('has no lease while the calendar says that it has not begun yet', () => {
    const { clock, state } = joined()
    clock.stepWall(-1)
    expect(state.leaseOk()).to.equal(false)
  })

  it('has no lease while its clocks disagree on how much time has passed', () => {
    const { clock, state, now } = joined()
    clock.suspend(clockToleranceMs)
    expect(state.leaseOk(), 'as much as clocks are adjusted').to.equal(true)
    clock.suspend(1)
    expect(state.leaseOk()).to.equal(false)
    expect(state.turned(), 'it has to ask').to.equal(false)
    state.renewed(now(), { inc: 'a', seq: 5 })
    expect(state.leaseOk()).to.equal(true)
    expect(state.turned()).to.equal(true)
  })

  it('decides nothing after its event loop stood still, until a renewal that it sent afterwards is answered', () => {
    const { clock, state, now } = joined()
    state.turned()
    clock.advance(stallMs)
    expect(state.leaseOk()).to.equal(true)
    expect(state.turned()).to.equal(true)
    const before = now()
    clock.advance(stallMs + 1)
    expect(state.leaseOk(), 'before any timer has run').to.equal(false)
    expect(state.turned()).to.equal(false)
    expect(state.leaseOk(), 'and after it').to.equal(false)
    state.renewed(before, { inc: 'a', seq: 5 })
    expect(state.leaseOk(), 'that one was sent before').to.equal(false)
    state.renewed(now(), { inc: 'a', seq: 5 })
    expect(state.leaseOk()).to.equal(true)
  })

  it('applies the message that is next, and ignores what it has applied already', () => {
    const { state, effects } = joined()
    const message = { inc: 'a', seq: 6, kind: 'session', id: 'x' }
    expect(state.receive(message)).to.equal('applied')
    expect(state.receive(message)).to.equal('ignored')
    expect(effects).to.deep.equal(['session x'])
    expect(state.applied).to.equal(6)
  })

  it('drops everything when a message is missing', () => {
    const { state, effects } = joined()
    expect(state.receive({ inc: 'a', seq: 7, kind: 'session', id: 'x' })).to.equal('gap')
    expect(effects).to.deep.equal(['flush'])
    expect(state.applied).to.equal(7)
  })

  it('ignores the messages of another incarnation', () => {
    const { state, effects } = joined()
    expect(state.receive({ inc: 'b', seq: 6, kind: 'session', id: 'x' })).to.equal('ignored')
    expect(effects).to.deep.equal([])
  })

  it('keeps no answer that is older than what it has applied, or of another incarnation', () => {
    const { state } = joined()
    expect(state.mayFill({ inc: 'a', seq: 4 })).to.equal(false)
    expect(state.mayFill({ inc: 'b', seq: 9 })).to.equal(false)
    expect(state.mayFill({ inc: 'a', seq: 5 })).to.equal(true)
  })

  it('is not renewed while it is behind, until it has given up what it holds', () => {
    const { clock, state, effects, now } = joined()
    clock.advance(leaseMs)
    const reply = { inc: 'a', seq: 8 }
    expect(state.renewed(now(), reply)).to.equal('behind')
    expect(state.leaseOk()).to.equal(false)
    expect(state.giveUpTo(reply)).to.equal(true)
    expect(effects).to.deep.equal(['flush'])
    expect(state.renewed(now(), reply)).to.equal('renewed')
    expect(state.leaseOk()).to.equal(true)
  })

  it('holds its lease from before a renewal that found it behind, as soon as it has caught up', () => {
    const { clock, state, now } = joined()
    clock.advance(leaseMs)
    state.renewed(now(), { inc: 'a', seq: 7 })
    clock.advance(100)
    state.renewed(now(), { inc: 'a', seq: 9 })
    for (const [seq, held] of [
      [6, false],
      [7, true],
    ] as const) {
      state.receive({ inc: 'a', seq, kind: 'session', id: 'x' })
      state.caughtUp()
      expect(state.leaseOk()).to.equal(held)
    }
    expect(state.leaseLeftMs()).to.equal(leaseMs - 100)
  })

  it('is not given a renewal of another incarnation when it has caught up', () => {
    const { clock, state, now } = joined()
    state.renewed(now(), { inc: 'a', seq: 7 })
    clock.advance(10)
    state.renewed(now(), { inc: 'b', seq: 9 })
    clock.advance(leaseMs)
    state.caughtUp()
    expect(state.leaseOk()).to.equal(false)
  })

  it('does not believe a number that goes back under one incarnation', () => {
    const { state, effects, now } = joined()
    expect(state.renewed(now(), { inc: 'a', seq: 4 })).to.equal('went-back')
    expect(effects).to.deep.equal(['flush'])
    expect(state.leaseOk()).to.equal(false)
  })

  it('takes a reply that was overtaken by a message for what it is', () => {
    const { state, now } = joined()
    const sent = now()
    state.receive({ inc: 'a', seq: 6, kind: 'session', id: 'x' })
    expect(state.renewed(sent, { inc: 'a', seq: 5 })).to.equal('renewed')
    expect(state.leaseOk()).to.equal(true)
  })

  it('gives nothing up when the messages came after all', () => {
    const { state, effects, now } = joined()
    const reply = { inc: 'a', seq: 6 }
    state.renewed(now(), reply)
    state.receive({ inc: 'a', seq: 6, kind: 'user', id: 'alice' })
    expect(state.giveUpTo(reply)).to.equal(false)
    expect(effects).to.deep.equal(['user alice'])
  })

  it('drops everything when Redis is in another incarnation, and takes up from there', () => {
    const { state, effects, now } = joined()
    expect(state.renewed(now(), { inc: 'b', seq: 2 })).to.equal('new-incarnation')
    expect(effects).to.deep.equal(['flush'])
    expect(state).to.include({ inc: 'b', applied: 2 })
    expect(state.leaseOk()).to.equal(true)
  })
})
