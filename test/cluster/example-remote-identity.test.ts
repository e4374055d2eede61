import { expect } from 'chai'
import { copyExample, type Example } from '../support/example.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

describe('the example of an identity service', function () {
  this.timeout(120_000)
  let example: Example
  let redis: TestRedis

  before(async () => {
    redis = await startRedis()
    example = await copyExample('remote-identity')
  })
  after(async () => {
    await example.remove()
    await redis.stop()
  })

  it('passes its own tests, on two workers', async () => {
    const { code, output } = await example.run('mocha/bin/mocha.js', ['test/*.test.js'], {
      REDIS_URL: redis.url,
    })
    expect(code, output).to.equal(0)
    expect(output).to.contain('5 passing')
  })
})
