import { expect } from 'chai'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { command, install, npm, packTarballs, type Consumer } from './support/tarballs.ts'

describe('an application that lockstep new has written', function () {
  this.timeout(300_000)
  let consumer: Consumer
  let folder: string

  before(async () => {
    const { whole } = await packTarballs()
    consumer = await install(whole)
    const bin = path.join(consumer.folder, 'node_modules', '.bin', 'lockstep')
    await command(consumer.folder, bin, 'new', 'first', '--lockstep', `file:${whole}`)
    folder = path.join(consumer.folder, 'first')
    await npm(folder, 'install', '--no-audit', '--no-fund', '--prefer-offline')
  })
  after(() => consumer?.remove())

  it('ignores what should not be committed', () => {
    expect(existsSync(path.join(folder, '.gitignore'))).to.equal(true)
  })

  it('passes its own tests', async () => {
    await npm(folder, 'test')
  })
})
