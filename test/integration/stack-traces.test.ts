import { expect } from 'chai'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const root = path.join(import.meta.dirname, '..', '..')
const built = (module: string) => pathToFileURL(path.join(root, 'dist', module)).href

describe('A stack trace of the built server', () => {
  it('names the file and the line of the source', () => {
    // As server/main.js and workers/main.js do: the entry first, then everything else.
    const program = `
      const { openEntry } = await import('${built('shared/process/entry.js')}')
      openEntry()
      const { loadApp } = await import('${built('shared/app/load-app.js')}')
      await loadApp('./missing.js')`
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      encoding: 'utf8',
    })
    expect(status).to.equal(1)
    const [, file = '', line] = /(\/[^\s:]+\/shared\/app\/load-app\.ts):(\d+):\d+/.exec(stderr) ?? []
    expect(file, stderr).to.equal(path.join(root, 'shared', 'app', 'load-app.ts'))
    expect(readFileSync(file, 'utf8').split('\n')[Number(line) - 1]).to.match(/refused|ConfigurationError/)
    expect(stderr).not.to.include(`${path.sep}dist${path.sep}`)
    expect(existsSync(path.join(root, 'dist', 'shared', 'app', 'load-app.js.map'))).to.equal(true)
  })
})
