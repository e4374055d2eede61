import { expect } from 'chai'
import { loadForWorker } from '../../shared/app/load-for-worker.ts'

describe('the configuration of a worker', () => {
  it('without an application the deployment has no name but APP_NAME, as for the primary', async () => {
    const facts = { cwd: process.cwd() }
    expect((await loadForWorker({}, facts)).config.appName).to.equal(null)
    expect((await loadForWorker({ APP_NAME: 'shop' }, facts)).config.appName).to.equal('shop')
  })
})
