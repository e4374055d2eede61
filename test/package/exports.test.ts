import { expect } from 'chai'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { command, install, npm, packTarballs, type Consumer } from './support/tarballs.ts'

/** Everything that is exported, with the subpaths of one tarball. */
async function subpathsOf({ folder }: Consumer): Promise<string[]> {
  const manifest = path.join(folder, 'node_modules', 'lockstep', 'package.json')
  const { exports } = JSON.parse(await readFile(manifest, 'utf8')) as { exports: Record<string, unknown> }
  return Object.keys(exports)
    .filter((name) => name !== './package.json')
    .map((name) => name.replace(/^\./, 'lockstep'))
}

for (const which of ['whole', 'parts'] as const) {
  describe(`every export of ${which === 'whole' ? 'lockstep' : 'the parts alone'}`, function () {
    this.timeout(300_000)
    let consumer: Consumer
    let subpaths: string[]

    before(async () => {
      const tarballs = await packTarballs()
      consumer = await install(tarballs[which], ['koa', 'typescript', '@types/node@20'])
      subpaths = await subpathsOf(consumer)
      expect(subpaths).to.include('lockstep/sessions')
    })
    after(() => consumer?.remove())

    it('can be imported, and required', async () => {
      const imports = subpaths.map(
        (name) => `console.log(${JSON.stringify(name)}, Object.keys(await import('${name}')).length)`,
      )
      await consumer.write({
        'imports.mjs': imports.join('\n'),
        'requires.cjs': subpaths
          .map((name) => `console.log(Object.keys(require('${name}')).length)`)
          .join('\n'),
      })
      const imported = (await consumer.node('imports.mjs')).trim().split('\n')
      const required = (await consumer.node('--no-warnings', 'requires.cjs')).trim().split('\n')
      expect(imported.map((line) => line.split(' ')[1])).to.deep.equal(required)
    })

    it('has types that compile for others, and none of them is any', async () => {
      await consumer.write({
        'tsconfig.json': JSON.stringify({
          compilerOptions: {
            module: 'nodenext',
            target: 'es2023',
            lib: ['es2023'],
            strict: true,
            noEmit: true,
            skipLibCheck: false,
            types: ['node'],
          },
          include: ['*.ts'],
        }),
        'every.ts': everyExportIsTyped(subpaths),
        'sessions.ts': assertions,
      })
      await command(consumer.folder, process.execPath, path.join('node_modules', 'typescript', 'bin', 'tsc'))
    })
  })
}

/** A module that does not compile when a value that is exported is `any`. */
function everyExportIsTyped(subpaths: readonly string[]): string {
  const lines = subpaths.map(
    (name, n) => `import * as part${n} from '${name}'
const typed${n}: Typed<typeof part${n}> = part${n}
void typed${n}`,
  )
  return `type IsAny<T> = 0 extends 1 & T ? true : false
type Typed<Module> = { [Name in keyof Module]: IsAny<Module[Name]> extends true ? never : Module[Name] }
${lines.join('\n')}
export {}
`
}

const assertions = `
import Koa from 'koa'
import { koaSessions, type Auth, type AuthIdentity, type Revocation, type SessionFault } from 'lockstep/sessions'

type IsAny<T> = 0 extends 1 & T ? true : false
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function holds<_T extends true>(): void {}

declare module 'lockstep/sessions' {
  interface UserProfile {
    readonly tier: string
  }
}

const sessions = koaSessions({
  name: 'shop',
  redis: 'redis://127.0.0.1:6379',
  onError: (ctx, fault) => {
    holds<Equal<typeof fault, SessionFault>>()
    ctx.body = { error: fault.code }
  },
})
const app = new Koa()
app.use(sessions.middleware())
app.use(async (ctx) => {
  holds<Equal<typeof ctx.auth, Auth>>()
  const { identity } = ctx.auth
  holds<Equal<typeof identity, AuthIdentity | null>>()
  if (identity) {
    holds<Equal<typeof identity.user.profile.tier, string>>()
    holds<Equal<IsAny<typeof identity.session.id>, false>>()
  }
  const signedIn = await ctx.auth.signIn('alice', async () => ({ id: 'alice', profile: { tier: 'gold' } }))
  holds<Equal<typeof signedIn.token, string>>()
  // @ts-expect-error -- the id of a user is text
  await ctx.auth.signIn(7, () => true)
})
const revoked = sessions.revokeUser('alice')
holds<Equal<Awaited<typeof revoked>, Revocation>>()
// @ts-expect-error -- it needs a name
koaSessions({ redis: 'redis://127.0.0.1:6379' })
`

describe('the tarballs', function () {
  this.timeout(300_000)
  let tools: Consumer

  before(async () => {
    const { parts } = await packTarballs()
    tools = await install(parts, ['publint@^0.3', '@arethetypeswrong/cli@^0.18'])
  })
  after(() => tools?.remove())

  for (const which of ['whole', 'parts'] as const) {
    it(`satisfy publint and attw: ${which}`, async () => {
      const tarball = (await packTarballs())[which]
      await npm(tools.folder, 'exec', '--offline', '--', 'publint', '--strict', tarball)
      await npm(tools.folder, 'exec', '--offline', '--', 'attw', '--profile', 'esm-only', tarball)
    })
  }
})
