import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { mutants } from '../mutants/mutants.js'

describe('The mutants', () => {
  const proof = readFileSync('docs/proof.md', 'utf8')

  it('apply to the code as it is', () => {
    for (const { rule, file, before } of mutants)
      expect(readFileSync(file, 'utf8').split(before).length - 1, `${rule} (${file})`).to.equal(1)
  })

  it('have a name each, and are listed in docs/proof.md', () => {
    const rules = mutants.map(({ rule }) => rule)
    expect(new Set(rules).size).to.equal(rules.length)
    for (const rule of rules) expect(proof).to.contain(`| ${rule} `)
  })
})
