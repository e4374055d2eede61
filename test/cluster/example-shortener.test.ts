import path from 'node:path'
import { expect } from 'chai'
import { admin, startCluster, withoutLimits, type TestCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { copyExample, type Example } from '../support/example.ts'
import { signIn } from '../support/http.ts'

describe('the example of a link shortener', function () {
  this.timeout(120_000)
  let example: Example
  let cluster: TestCluster | undefined

  before(async () => {
    example = await copyExample('shortener')
  })
  after(async () => {
    await cluster?.stop()
    await example.remove()
  })

  it('passes its own tests, on two workers', async () => {
    const { code, output } = await example.run('mocha/bin/mocha.js', ['test/*.test.js'])
    expect(code, output).to.equal(0)
    expect(output).to.contain('6 passing')
  })

  it('is described by lockstep check', async () => {
    const { code, output } = await example.run('lockstep/server/lockstep.js', ['check', './app.js'])
    expect(code, output).to.equal(0)
    for (const part of ['POST /api/links', 'GET /:code', 'record-click', 'prune-clicks-nightly', 'shorten']) {
      expect(output).to.contain(part)
    }
  })

  it('runs in a folder of its own, and a logout is true on all of its workers', async () => {
    cluster = await startCluster({
      jobWorkers: 1,
      applicationFile: './app.js',
      cwd: example.directory,
      env: { ...withoutLimits, LINKS_FILE: path.join(example.directory, 'links.sqlite') },
    })
    const user = await signIn(cluster.url, admin)
    const created = await user.send('/api/links', { method: 'POST', body: { url: 'https://example.com/' } })
    expect(created.status).to.equal(201)
    const { code } = created.json()
    const followed = await fetch(`${cluster.url}/${code}`, { redirect: 'manual' })
    expect(followed.headers.get('location')).to.equal('https://example.com/')
    await eventually(async () => {
      const { links } = (await user.send('/api/links')).json()
      expect(links).to.deep.include({ code, url: 'https://example.com/', clicks: 1 })
    }, 10_000)
    expect((await user.send('/api/v1/auth/logout', { method: 'POST' })).status).to.equal(204)
    for (let n = 0; n < 4; n++) expect((await user.send('/api/links')).status).to.equal(401)
  })
})
