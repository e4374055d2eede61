import { expect } from 'chai'
import path from 'node:path'
import { makeApplicationFolder, type ApplicationFolder } from '../support/application-folder.ts'
import { startCluster, type TestCluster } from '../support/cluster.ts'
import { lockstep } from '../support/lockstep-command.ts'

const shop = `import { defineApp, defineRoute, z } from 'lockstep'
export default defineApp({
  name: 'shop',
  env: z.object({ SESSION_SECRET: z.string() }),
  roles: ['staff'],
  settings: z.object({
    greeting: z.string().default('hello'),
    discount: z.number().max(1).default(0),
    open: z.boolean().default(true),
  }),
  limits: [
    { name: 'orders', rule: { limit: 5, windowMs: 3_600_000 }, onOutage: 'closed', onDataLoss: 'quarantine' },
  ],
  routes: [
    defineRoute({
      method: 'GET', path: '/greeting', access: 'anyone', summary: 'Greeting', replies: {}, limits: ['orders'],
      handler(ctx, input, { settings }) { ctx.body = settings.current() },
    }),
  ],
})`

describe('The lockstep command, with --app', function () {
  this.timeout(120_000)
  let folder: ApplicationFolder
  let cluster: TestCluster
  let file: string
  const env = { SESSION_SECRET: 'its own' }

  before(async () => {
    folder = await makeApplicationFolder({ 'app.js': shop })
    file = path.join(folder.path, 'app.js')
    cluster = await startCluster({ workers: 2, env: { ...env, LOCKSTEP_APP: file } })
  })
  after(async () => {
    await cluster?.kill()
    await folder?.remove()
  })

  const run = (words: string, input = '') =>
    lockstep({ dataDir: cluster.dataDir, env, input }, ...words.split(' '), '--app', file)
  const greeting = async () => (await fetch(`${cluster.url}/greeting`)).json()

  it("shows and changes the application's settings, on every worker", async () => {
    expect((await run('settings show --json')).json().settings).to.include({ greeting: 'hello', discount: 0 })
    for (const [words, now] of [
      ['settings set greeting moin', { greeting: 'moin' }],
      ['settings set discount 0.5', { discount: 0.5 }],
      ['settings set open off', { open: false }],
    ] as const) {
      const changed = await run(`${words} --json`)
      expect(changed.code, changed.stdout + changed.stderr).to.equal(0)
      expect(changed.json().settings).to.include(now)
      expect(await greeting()).to.include(now)
    }
    expect((await run('settings show --json')).json().overridden).to.have.members([
      'greeting',
      'discount',
      'open',
    ])
    await run('settings reset')
    expect(await greeting()).to.deep.equal({ greeting: 'hello', discount: 0, open: true })
  })

  it('refuses what its schema refuses', async () => {
    const refused = await run('settings set discount 2')
    expect(refused.code).to.equal(2)
    expect(refused.stderr).to.include('discount: ')
  })

  it("gives the application's roles, and none that there is not", async () => {
    const added = await run('user add sam@example.com --roles user,staff --json', 'four wooden spoons\n')
    expect(added.code, added.stdout + added.stderr).to.equal(0)
    expect(added.json().roles).to.deep.equal(['user', 'staff'])
    expect((await run('user roles sam@example.com staff')).stdout).to.include('has the roles staff now')
    expect((await run('user roles sam@example.com boss')).stderr).to.include('there is no role "boss"')
  })

  it("shows and lifts the application's limits", async () => {
    await fetch(`${cluster.url}/greeting`)
    const { policies } = (await run('limits --json')).json()
    expect(policies.map(({ policy }: { policy: string }) => policy)).to.include('orders')
    const standing = (await run('limits show orders ip:127.0.0.1 --json')).json()
    expect(standing).to.include({ policy: 'orders', limit: 5 })
    expect(standing.charged).to.be.greaterThan(0)
    expect((await run('limits reset orders ip:127.0.0.1')).code).to.equal(0)
    expect((await run('limits show orders ip:127.0.0.1 --json')).json().charged).to.equal(0)
  })

  it('says without --app where the names of an application are known', async () => {
    for (const words of ['user roles sam@example.com staff', 'settings set greeting moin']) {
      const refused = await lockstep({ dataDir: cluster.dataDir }, ...words.split(' '))
      expect(refused.code).to.equal(2)
      expect(refused.stderr).to.include('--app FILE')
    }
  })

  it('says of a file that is no application what is wrong with it', async () => {
    const refused = await lockstep({ dataDir: cluster.dataDir }, 'settings', 'show', '--app', './missing.js')
    expect(refused.code).to.equal(1)
    expect(refused.stderr).to.include('./missing.js: there is no such file')
  })
})
