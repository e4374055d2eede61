/** `lockstep new`: what it writes compiles, can be started, and is refused where it should be. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect } from 'chai'

const root = path.join(import.meta.dirname, '..', '..')
const modules = path.join(root, 'node_modules')

async function run(cwd: string, ...words: string[]): Promise<{ code: number; output: string }> {
  const { PATH, HOME, TMPDIR } = process.env
  const child = spawn(process.execPath, words, { cwd, env: { PATH, HOME, TMPDIR } })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  }
  const [code] = await once(child, 'close')
  return { code: Number(code), output }
}

const lockstep = (cwd: string, ...words: string[]) =>
  run(cwd, path.join(root, 'server', 'lockstep.js'), ...words)

describe('lockstep new', function () {
  this.timeout(90_000)
  let folder: string

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'lockstep-new-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  it('writes an application that compiles, can be started, and passes its own test', async () => {
    const made = await lockstep(folder, 'new', 'corner-shop')
    expect(made.code, made.output).to.equal(0)
    expect(made.output).to.include('cd corner-shop')
    const app = path.join(folder, 'corner-shop')
    for (const file of [
      '.gitignore',
      '.dockerignore',
      'Dockerfile',
      'README.md',
      'ecosystem.config.js',
      'test/app.test.ts',
    ]) {
      expect(existsSync(path.join(app, file)), file).to.equal(true)
    }
    const described = JSON.parse(await readFile(path.join(app, 'package.json'), 'utf8'))
    expect(described.name).to.equal('corner-shop')
    const { version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'))
    expect(described.dependencies.lockstep).to.equal(`^${version}`)
    for (const name of ['Dockerfile', 'README.md', 'src/app.ts', 'ecosystem.config.js', 'test/app.test.ts']) {
      expect(await readFile(path.join(app, name), 'utf8'), name).to.not.match(/__[A-Z]+__/)
    }

    // As npm install would leave it.
    await mkdir(path.join(app, 'node_modules', '@types'), { recursive: true })
    await symlink(root, path.join(app, 'node_modules', 'lockstep'))
    for (const name of ['tsx', 'koa', '@types/koa', '@types/node', 'typescript']) {
      await symlink(path.join(modules, name), path.join(app, 'node_modules', name))
    }
    const tsc = path.join(modules, 'typescript', 'bin', 'tsc')
    const checked = await run(app, tsc, '--noEmit')
    expect(checked.code, checked.output).to.equal(0)
    const built = await run(app, tsc, '-p', 'tsconfig.build.json')
    expect(built.code, built.output).to.equal(0)
    const check = await lockstep(app, 'check', './dist/app.js')
    expect(check.code, check.output).to.equal(0)
    expect(check.output).to.include('corner-shop can be started').and.include('every-hour')
    const tested = await run(app, '--import', 'tsx', '--test', 'test/app.test.ts')
    expect(tested.code, tested.output).to.equal(0)
  })

  it('takes another lockstep than its own version, and a path', async () => {
    const made = await lockstep(folder, 'new', 'apps/till', '--lockstep', 'file:../lockstep.tgz')
    expect(made.code, made.output).to.equal(0)
    const described = JSON.parse(await readFile(path.join(folder, 'apps', 'till', 'package.json'), 'utf8'))
    expect(described).to.deep.include({ name: 'till' })
    expect(described.dependencies.lockstep).to.equal('file:../lockstep.tgz')
  })

  it('takes an empty folder, and the one that it is in', async () => {
    await mkdir(path.join(folder, 'here'))
    const made = await lockstep(path.join(folder, 'here'), 'new', '.')
    expect(made.code, made.output).to.equal(0)
    expect(existsSync(path.join(folder, 'here', 'src', 'app.ts'))).to.equal(true)
  })

  it('writes nothing where something is, or under a name that can not be one', async () => {
    await mkdir(path.join(folder, 'full'))
    await writeFile(path.join(folder, 'full', 'notes.txt'), 'mine')
    await writeFile(path.join(folder, 'a-file'), '')
    const refused: readonly [words: string[], code: number, said: string][] = [
      [['full'], 1, 'full is not empty (there is notes.txt)'],
      [['a-file'], 1, 'a-file is a file'],
      [['Shop'], 2, "can't be the name of an application"],
      [['9lives'], 2, "can't be the name of an application"],
      [['sh_op'], 2, "can't be the name of an application"],
      [['lockstep'], 2, "can't be called lockstep"],
      [[], 2, 'NAME is missing'],
      [['a', 'b'], 2, 'one too many'],
      [['shop', '--typescript'], 2, 'there is no option --typescript'],
    ]
    for (const [words, code, said] of refused) {
      const answer = await lockstep(folder, 'new', ...words)
      expect(answer.output).to.include(said)
      expect(answer.code, words.join(' ')).to.equal(code)
    }
    expect(existsSync(path.join(folder, 'full', 'package.json'))).to.equal(false)
  })

  it('is what npm create lockstep runs', async () => {
    const create = path.join(folder, 'node_modules', 'create-lockstep')
    await cp(path.join(root, 'create-lockstep'), create, { recursive: true })
    await symlink(root, path.join(folder, 'node_modules', 'lockstep'))
    const made = await run(folder, path.join(create, 'index.js'), 'corner-shop')
    expect(made.code, made.output).to.equal(0)
    expect(existsSync(path.join(folder, 'corner-shop', 'src', 'app.ts'))).to.equal(true)
    expect((await run(folder, path.join(create, 'index.js'), 'Shop')).code).to.equal(2)
    const manifest = async (of: string) => JSON.parse(await readFile(path.join(of, 'package.json'), 'utf8'))
    const [own, ours] = [await manifest(create), await manifest(root)]
    expect(own).to.include({ version: ours.version })
    expect(own.dependencies).to.deep.equal({ lockstep: `^${ours.version}` })
  })
})
