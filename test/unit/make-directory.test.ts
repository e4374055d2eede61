import { existsSync, statSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { makeDirectory } from '../../shared/kernel/make-directory.ts'

describe('making a directory', () => {
  let root: string

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'lockstep-make-'))
  })
  afterEach(() => rm(root, { recursive: true, force: true }))

  it('makes what is missing above it, private, and says what was the first', () => {
    expect(makeDirectory(join(root, 'a', 'b', 'c'), 0o700)).to.equal(join(root, 'a'))
    expect(statSync(join(root, 'a', 'b', 'c')).mode & 0o777).to.equal(0o700)
    expect(makeDirectory(join(root, 'a', 'b'), 0o700)).to.equal(undefined)
  })

  it('takes no file for a directory', () => {
    writeFileSync(join(root, 'file'), '')
    expect(() => makeDirectory(join(root, 'file'), 0o700)).to.throw('EEXIST')
    expect(() => makeDirectory(join(root, 'file', 'x'), 0o700)).to.throw('ENOTDIR')
  })

  it('ends where the system takes no directories', () => {
    for (const place of existsSync('/proc/self') ? ['/proc/self/x', '/proc/self/x/y/z'] : []) {
      expect(() => makeDirectory(place, 0o700), place).to.throw('ENOENT')
    }
  })
})
