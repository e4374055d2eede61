import { spawnSync } from 'node:child_process'
import { appendFile, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect } from 'chai'

describe('lockstep reload in a checkout', () => {
  let root: string

  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'lockstep-command-'))
    for (const directory of ['server', 'shared', 'workers', 'dist/server/cli'])
      await mkdir(path.join(root, directory), { recursive: true })
    for (const file of ['server/lockstep.js', 'server/bootstrap', 'tsconfig.json', 'package-lock.json'])
      await cp(path.resolve(file), path.join(root, file), { recursive: true })
    await writeFile(path.join(root, 'package.json'), '{"type":"module"}')
    await writeFile(path.join(root, 'shared', 'part.ts'), 'export const step = 1\n')
    await writeFile(path.join(root, 'dist/server/cli/main.js'), "process.stdout.write('done')\n")
    const output = path.join(root, 'server', 'bootstrap', 'build-output.js')
    const build = `
      import { writeFileSync } from 'node:fs'
      import { fingerprint } from ${JSON.stringify(output)}
      writeFileSync('dist/.built-from', fingerprint(process.cwd()))`
    expect(spawnSync(process.execPath, ['--input-type=module', '-e', build], { cwd: root }).status).to.equal(
      0,
    )
  })

  afterEach(() => rm(root, { recursive: true, force: true }))

  function run(command: string) {
    const { stdout, stderr } = spawnSync(process.execPath, ['server/lockstep.js', command], {
      cwd: root,
      encoding: 'utf8',
    })
    return { stdout, stderr }
  }

  it('says after an edit without a build that the build is stale', async () => {
    await appendFile(path.join(root, 'shared', 'part.ts'), '// edited\n')
    const { stdout, stderr } = run('reload')
    expect(stderr).to.match(/the build is stale.*npm run build/)
    expect(stdout).to.equal('done')
    expect(run('status')).to.deep.equal({ stdout: 'done', stderr: '' })
  })

  it('says nothing of it when the build is of these sources', () => {
    expect(run('reload')).to.deep.equal({ stdout: 'done', stderr: '' })
  })
})
