import { expect } from 'chai'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const folder = join(import.meta.dirname, '..', '..', 'docs', 'model')
/** What the models were when `npm run test:model` last found every result as expected. */
const proven = join(folder, 'proven.txt')

/** Of the models and of what is expected of them: nothing else decides the result, so it holds until one changes. */
function fingerprint(): string {
  const hash = createHash('sha256')
  const files = readdirSync(folder).filter((name) => name.endsWith('.pml') || name === 'run.sh')
  for (const name of files.toSorted()) hash.update(`${name}\0`).update(readFileSync(join(folder, name)))
  return hash.digest('hex')
}

describe('The model of the protocol', function () {
  this.timeout(400_000)

  if (process.env.MODEL_PROOF) {
    it('holds with every safeguard, and is refuted without any one of them', async () => {
      const run = spawn(join(folder, 'run.sh'), ['quick'], { stdio: ['ignore', 'pipe', 'pipe'] })
      let output = ''
      for (const stream of [run.stdout, run.stderr]) stream.on('data', (text) => (output += String(text)))
      const [code] = (await once(run, 'close')) as [number]
      expect(code, output).to.equal(0)
      writeFileSync(proven, `${fingerprint()}\n`)
    })
  }

  it('is what it was when every safeguard was proven to be needed', () => {
    expect(readFileSync(proven, 'utf8').trim(), 'the models have changed: npm run test:model').to.equal(
      fingerprint(),
    )
  })
})
