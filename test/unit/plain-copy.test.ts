import { expect } from 'chai'
import fc from 'fast-check'
import { notPlain, plainCopy } from '../../shared/queues/plain-copy.ts'

describe('the copy of a payload', () => {
  it('is what a trip through JSON makes of it, or none', () => {
    const values = fc.anything({
      withDate: true,
      withNullPrototype: true,
      withSparseArray: true,
      withTypedArray: true,
      withMap: true,
      maxDepth: 4,
    })
    fc.assert(
      fc.property(values, (value) => {
        const copy = plainCopy(value, 1_000_000)
        if (copy === notPlain) return
        const text = JSON.stringify(value)
        expect(JSON.stringify(copy)).to.equal(text)
        expect(copy).to.deep.equal(JSON.parse(text))
      }),
      { numRuns: 3_000 },
    )
  })

  it('is never larger as JSON than it may be', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.integer({ min: 0, max: 500 }), (value, most) => {
        const copy = plainCopy(value, most)
        if (copy !== notPlain) expect(Buffer.byteLength(JSON.stringify(copy))).to.be.at.most(most)
      }),
      { numRuns: 3_000 },
    )
  })

  it('does not change with the payload', () => {
    const payload = { list: [{ n: 1 }] }
    const copy = plainCopy(payload, 1_000)
    payload.list[0]!.n = 2
    expect(copy).to.deep.equal({ list: [{ n: 1 }] })
  })

  it('is left to JSON where plain means something else', () => {
    for (const value of [
      undefined,
      NaN,
      -0,
      1n,
      () => 1,
      new Date(0),
      new Map(),
      { toJSON: () => 1 },
      [undefined],
    ]) {
      expect(plainCopy(value, 1_000)).to.equal(notPlain)
    }
    expect(plainCopy(JSON.parse('{"__proto__":{"a":1}}'), 1_000)).to.equal(notPlain)
  })
})
