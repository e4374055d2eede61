import { expect } from 'chai'
import { rename, symlink } from 'node:fs/promises'
import path from 'node:path'
import { makeApplicationFolder, type ApplicationFolder } from '../support/application-folder.ts'
import { startCluster, type TestCluster } from '../support/cluster.ts'
import { ask } from '../support/control.ts'

const release = (version: number, more = '') => `import { defineApp, defineRoute, z } from 'lockstep'
${more}
export default defineApp({
  name: 'released',
  ${more.includes('NEW') ? 'env: z.object({ NEW_VARIABLE: z.string() }),' : ''}
  routes: [
    defineRoute({ method: 'GET', path: '/version', access: 'anyone', summary: 'Version', replies: {}, handler(ctx) { ctx.body = '${version}' } }),
  ],
})`

describe('a reload of an application', function () {
  this.timeout(120_000)
  let folder: ApplicationFolder
  let cluster: TestCluster

  before(async () => {
    folder = await makeApplicationFolder({ 'v1/app.js': release(1), 'v2/app.js': release(2) })
    await symlink('v1', path.join(folder.path, 'current'))
    cluster = await startCluster({
      workers: 1,
      env: { LOCKSTEP_APP: path.join(folder.path, 'current', 'app.js') },
    })
  })
  after(async () => {
    await cluster?.kill()
    await folder?.remove()
  })

  const version = async () => (await fetch(`${cluster.url}/version`)).text()
  const reload = () => ask(cluster.dataDir, { command: 'reload', wait: true })

  it('brings the release that its symlink leads to by then', async () => {
    expect(await version()).to.equal('1')
    await symlink('v2', path.join(folder.path, 'next'))
    await rename(path.join(folder.path, 'next'), path.join(folder.path, 'current'))
    expect(await reload()).to.include({ ok: true })
    expect(await version()).to.equal('2')
  })

  for (const [what, text, reason] of [
    ['throws as it is imported', release(3, 'null.x'), 'v2/app.js:2'],
    ['exports no application', 'export default 1', 'its default export is not an application'],
    ['misses a variable', release(3, '// NEW'), 'NEW_VARIABLE is not set'],
    ['has a path that is taken', release(3).replace("'/version'", "'/sign-in'"), 'GET /sign-in'],
  ] as const) {
    it(`that ${what} leaves the old workers serving, and says so`, async () => {
      await folder.write({ 'v2/app.js': text })
      const answer = (await reload()) as { ok: boolean; message: string }
      expect(answer.ok).to.equal(false)
      expect(answer.message).to.include('all workers go on as they were').and.to.include(reason)
      expect(await version()).to.equal('2')
    })
  }
})
