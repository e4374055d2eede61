import { expect } from 'chai'
import { slowest, summed } from '../../server/web/features/admin/series.ts'
import { sparkline } from '../../server/web/features/admin/sparkline.ts'

describe('The plots of the console', () => {
  const series = [
    [1, 2, null, 4],
    [10, null, null],
  ]

  it('add up what several workers did at the same moment, the newest beside the newest', () => {
    expect(summed(series)).to.deep.equal([1, 12, null, 4])
    expect(summed([])).to.deep.equal([])
  })

  it('show the slowest of several at each moment', () => {
    expect(slowest(series)).to.deep.equal([1, 10, null, 4])
  })

  it('have a gap where nothing is known, and nothing but numbers', () => {
    const drawn = String(sparkline([0, 0, null, 3, 6], { label: '<5 minutes>' }))
    expect(drawn.match(/<polyline/g)).to.have.lengthOf(2)
    expect(drawn).not.to.match(/NaN|Infinity|undefined/)
    expect(drawn).to.include('aria-label="&lt;5 minutes&gt;"')
    expect(sparkline([null, 1, null], { label: 'too few' })).to.equal(null)
  })
})
