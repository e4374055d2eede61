import { expect } from 'chai'
import { pathToFileURL } from 'node:url'
import { resolve } from 'node:path'
import { eventually } from '../support/eventually.ts'

type WithProgress = (
  work: () => Promise<unknown>,
  describe: () => string,
  options: { firstMs: number; everyMs: number; write: (line: string) => void },
) => Promise<unknown>

describe('A long step of the first start', () => {
  let withProgress: WithProgress
  before(async () => {
    const module = pathToFileURL(resolve('server', 'bootstrap', 'progress.js')).href
    ;({ withProgress } = (await import(module)) as { withProgress: WithProgress })
  })

  it('says again and again how far it is, and nothing once it is over', async () => {
    const lines: string[] = []
    let there = 0
    let finish = (_outcome: string) => {}
    const work = () => new Promise<string>((resolve) => (finish = resolve))
    const options = { firstMs: 1, everyMs: 1, write: (line: string) => void lines.push(line) }
    const outcome = withProgress(work, () => `${++there} of 317 dependencies are in place`, options)
    await eventually(() => expect(lines).to.have.length.above(2))
    expect(lines[1]).to.equal('  2 of 317 dependencies are in place (0 s so far)')
    finish('installed')
    expect(await outcome).to.equal('installed')
    const said = lines.length
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(lines).to.have.length(said)
  })

  it('says nothing when it is short, and passes on why it failed', async () => {
    const lines: string[] = []
    const options = { firstMs: 1_000, everyMs: 1_000, write: (line: string) => void lines.push(line) }
    const failure = new Error('npm ended with 1')
    const outcome = await withProgress(
      () => Promise.reject(failure),
      () => '',
      options,
    ).catch((cause: unknown) => cause)
    expect(outcome).to.equal(failure)
    expect(lines).to.deep.equal([])
  })
})
