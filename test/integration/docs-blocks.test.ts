/** Every `ts` block of README and docs is a module that compiles, by the types that an installed `lockstep` has. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect } from 'chai'

const root = path.join(import.meta.dirname, '..', '..')

function documents(): string[] {
  const docs = readdirSync(path.join(root, 'docs'), { recursive: true, encoding: 'utf8' })
  return ['README.md', ...docs.filter((name) => name.endsWith('.md')).map((name) => path.join('docs', name))]
}

/** A block may show several files, each under a comment with its name. */
async function writeFiles(folder: string, code: string): Promise<void> {
  await mkdir(folder)
  const [before = '', ...named] = code.split(/^\/\/ (\S+\.ts)\n/m)
  if (before.trim() !== '') await writeFile(path.join(folder, 'block.ts'), `${before}\nexport {}\n`)
  for (let n = 0; n < named.length; n += 2) {
    await writeFile(path.join(folder, named[n] ?? ''), named[n + 1] ?? '')
  }
}

describe('the code in README and docs', function () {
  this.timeout(60_000)
  let directory: string

  before(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'lockstep-docs-'))
    const modules = path.join(directory, 'node_modules')
    await mkdir(path.join(modules, '@types'), { recursive: true })
    await symlink(root, path.join(modules, 'lockstep'))
    await symlink(path.join(root, 'node_modules', '@types', 'node'), path.join(modules, '@types', 'node'))
    for (const installed of [
      'koa',
      '@types/koa',
      'koa-session',
      'express',
      '@types/express',
      'express-session',
      '@types/express-session',
      '@opentelemetry',
    ]) {
      await symlink(path.join(root, 'node_modules', installed), path.join(modules, installed))
    }
    await writeFile(path.join(directory, 'package.json'), '{ "type": "module" }')
    const compilerOptions = {
      target: 'es2023',
      module: 'nodenext',
      strict: true,
      noEmit: true,
      allowImportingTsExtensions: true,
      skipLibCheck: true,
      types: ['node'],
    }
    await writeFile(
      path.join(directory, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, include: ['**/*.ts'] }),
    )
  })
  after(() => rm(directory, { recursive: true, force: true }))

  it('compiles', async () => {
    expect(
      existsSync(path.join(root, 'dist', 'shared', 'app', 'index.d.ts')),
      'npm run build first',
    ).to.equal(true)
    let blocks = 0
    for (const document of documents()) {
      const text = readFileSync(path.join(root, document), 'utf8')
      for (const [index, [, code = '']] of [...text.matchAll(/^```ts\n(.*?)^```$/gms)].entries()) {
        const folder = `${document.replace(/[/\\]/g, '_').replace('.md', '')}_${index + 1}`
        await writeFiles(path.join(directory, folder), code)
        blocks++
      }
    }
    expect(blocks).to.be.greaterThan(5)
    const compiler = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    const compiling = spawn(process.execPath, [compiler, '-p', directory], { cwd: directory })
    let output = ''
    compiling.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
    const [code] = await once(compiling, 'close')
    expect(code, output).to.equal(0)
  })
})
