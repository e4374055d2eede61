import { expect } from 'chai'
import { readFileSync } from 'node:fs'
import path from 'node:path'

const root = path.join(import.meta.dirname, '..', '..')
const read = (name: string) => JSON.parse(readFileSync(path.join(root, name), 'utf8'))

describe('what is installed in production', () => {
  /** As npm decides it: what the lock file marks for development is left out. */
  const production = Object.entries(read('package-lock.json').packages as Record<string, { dev?: boolean }>)
    .filter(([place, { dev }]) => place !== '' && !dev)
    .map(([place]) => place.replace(/^.*node_modules\//, ''))

  it('is no compiler: TypeScript and what would bring it', () => {
    expect(production).to.include('koa')
    expect(production).not.to.include.members(['typescript'])
    expect(production).not.to.include('valibot')
  })
})
