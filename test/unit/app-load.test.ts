import { expect } from 'chai'
import { loadApp } from '../../shared/app/load-app.ts'
import { ConfigurationError } from '../../shared/kernel/errors.ts'
import { makeApplicationFolder, type ApplicationFolder } from '../support/application-folder.ts'

/** The application that the contract shows. */
const demo = `
import { defineApp, defineRoute, defineJob, defineSchedule, defineStream, defineSocket, z } from 'lockstep'
const tick = defineJob({ name: 'tick', payload: z.strictObject({ n: z.number() }), async handler({ data }, { services }) { return data.n + services.step } })
export default defineApp({
  name: 'demo', env: z.object({ STEP: z.coerce.number() }),
  async services({ env }) { return { step: env.STEP } },
  routes: [defineRoute({ method: 'POST', path: '/ticks', access: 'signed-in', limits: ['ticks'], summary: 'Tick',
    body: z.strictObject({ n: z.number() }), replies: { 202: { description: 'The job', body: z.strictObject({ id: z.string() }) } },
    async handler(ctx, { body }, { queues }) { ctx.status = 202; ctx.body = { id: await queues.enqueue(tick, body) } } })],
  jobs: [tick], schedules: [defineSchedule({ name: 'minutely', job: tick, data: { n: 1 }, pattern: '* * * * *', misfire: 'skip', overlap: 'forbid' })],
  limits: [{ name: 'ticks', rule: { limit: 20, windowMs: 60_000 }, onOutage: 'closed', onDataLoss: 'trust' }],
  streams: [defineStream({ path: '/feed', access: 'signed-in', summary: 'Numbers', open(ctx, { send }) { send({ data: '1' }) } })],
  sockets: [defineSocket({ path: '/echo', access: 'signed-in', summary: 'Echo', open(ctx, socket) { socket.onMessage((text) => socket.send(text)) } })],
})
`

describe('The module of an application', () => {
  let folder: ApplicationFolder
  before(async () => {
    folder = await makeApplicationFolder({ 'demo.js': demo })
  })
  after(() => folder?.remove())

  async function problemsOf(name: string | undefined, text?: string): Promise<string> {
    if (name !== undefined && text !== undefined) await folder.write({ [name]: text })
    const outcome = await loadApp(name, folder.path).catch((cause: unknown) => cause)
    expect(outcome).to.be.instanceOf(ConfigurationError)
    return (outcome as ConfigurationError).problems.join('\n')
  }

  it('is loaded from another folder, with everything that the contract shows', async () => {
    const { app, file } = await loadApp('./demo.js', folder.path)
    expect(file).to.equal('./demo.js')
    expect(app.name).to.equal('demo')
    expect(app.routes?.map(({ path }) => path)).to.deep.equal(['/ticks'])
    expect(app.streams?.[0]?.path).to.equal('/feed')
    expect(app.sockets?.[0]?.path).to.equal('/echo')
  })

  it('must be named, must be there and must be a file', async () => {
    expect(await problemsOf(undefined)).to.include('no application was named')
    expect(await problemsOf('./nothing.js')).to.equal('./nothing.js: there is no such file')
    expect(await problemsOf('.')).to.include('.: this is a directory')
  })

  it('must not be CommonJS', async () => {
    expect(await problemsOf('app.cjs', 'module.exports = {}')).to.include('app.cjs: it is a CommonJS module')
  })

  it('in TypeScript says where "type": "module" is missing', async () => {
    const text = "import { defineApp } from 'lockstep'\nexport default defineApp({ name: 'typed' })"
    await folder.write({ 'untyped/package.json': '{ "name": "untyped" }' })
    const missing = `add "type": "module" to ${folder.path}/untyped/package.json`
    expect(await problemsOf('untyped/app.ts', text)).to.include(missing)
    expect(await problemsOf('untyped/late.ts', `await null\n${text}`)).to.include(missing)
    expect(await problemsOf('untyped/common.js', 'module.exports = {}')).to.include(missing)
    await loadApp('app.mts', (await folder.write({ 'app.mts': text }), folder.path))
  })

  it('must export an application', async () => {
    expect(await problemsOf('none.js', 'export const app = 1')).to.include(
      'its default export is not an application',
    )
    expect(await problemsOf('koa.js', 'export default () => {}')).to.include(
      'export default defineApp({ ... })',
    )
  })

  it('must be for this version', async () => {
    const text = `import { defineApp } from 'lockstep'
      const app = defineApp({ name: 'old' })
      export default { ...app, '~lockstep': { ...app['~lockstep'], version: 99 } }`
    expect(await problemsOf('old.js', text)).to.include(
      'old.js: it was made by a lockstep with applications of version 99',
    )
  })

  it('that throws as it is imported is told with its file and line', async () => {
    expect(await problemsOf('throws.js', '\n\nnull.x\n')).to.match(
      /throws\.js: it can't be loaded: TypeError: .*throws\.js:3\)/,
    )
    expect(await problemsOf('syntax.js', 'const a = 1\nconst b = ;\n')).to.match(
      /syntax\.js: .*SyntaxError.*syntax\.js:2/,
    )
    expect(await problemsOf('missing.js', "import 'no-such-package'")).to.include("'no-such-package'")
  })

  it('is told everything that is wrong with it at once, by file and entry', async () => {
    const text = `import { defineApp, defineRoute, defineJob, z } from 'lockstep'
export default defineApp({
  name: 'Bad name', rotues: [], roles: ['admin'],
  routes: [
    defineRoute({ method: 'GET', path: '/a', summary: '', replies: {}, handler() {} }),
    defineRoute({ method: 'POST', path: '/b', access: 'anyone', summary: '', replies: {}, body: z.object({}), handler() {} }),
  ],
  jobs: [defineJob({ name: 'No', payload: z.strictObject({}), async handler() {} })],
  limits: [{ name: 'x', rule: { limit: -1, windowMs: 1000 }, onOutage: 'open', onDataLoss: 'trust' }],
  mounts: [{ path: '/old', koa: {}, access: 'signed-in' }],
})`
    const problems = await problemsOf('bad.js', text)
    for (const said of [
      'bad.js: name: small letters',
      'bad.js: rotues is not known here',
      'bad.js: roles: the role "admin" is built in',
      'bad.js: GET /a: say who may call it',
      '(bad.js:5)',
      'bad.js: POST /b: use z.strictObject for its body',
      'bad.js: job "No": name it with small letters',
      'bad.js: limits[0]: a limit must be a whole number',
      'bad.js: mounts[0]: koa is not a Koa application',
    ]) {
      expect(problems).to.include(said)
    }
  })
})
