import { expect } from 'chai'
import { judge, medianInterval } from '../../bench/support/goals.ts'

describe('the goals of a benchmark', () => {
  const rounds = (...measured: number[]) => ({ what: 'a ratio', measured, atLeast: 1 })

  it('are missed only when noise can not explain it', () => {
    expect(judge(rounds(0.7, 0.8, 0.8, 0.9, 0.8, 0.9)).verdict).to.equal('missed')
    expect(judge(rounds(0.7, 0.8, 0.8, 0.9, 0.8, 1.1)).verdict).to.equal('not shown')
    expect(judge(rounds(1.1, 1.2, 1.1, 1.3, 1.2, 1.1)).verdict).to.equal('met')
    expect(judge({ what: 'a time', measured: [400, 420], atMost: 500 }).verdict).to.equal('met')
    expect(judge({ what: 'a time', measured: [600, 520], atMost: 500 }).verdict).to.equal('missed')
    expect(judge(rounds()).verdict).to.equal('not shown')
  })

  it('take the interval from the ranks, as tables of it do', () => {
    const upTo = (count: number) => Array.from({ length: count }, (_, place) => place + 1)
    // The ranks for 95 % of 5, 10, 20 and 30 values.
    expect(medianInterval(upTo(5))).to.deep.equal([1, 5])
    expect(medianInterval(upTo(10))).to.deep.equal([2, 9])
    expect(medianInterval(upTo(20))).to.deep.equal([6, 15])
    expect(medianInterval(upTo(30))).to.deep.equal([10, 21])
  })
})
