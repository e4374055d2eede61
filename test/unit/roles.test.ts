import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { builtInRoles, rolesWith } from '../../shared/accounts/roles.ts'

describe('the roles', () => {
  it('stand in one place: no other file of ours names them', async () => {
    const names = new RegExp(`['"](?:${builtInRoles.filter((role) => role !== 'user').join('|')})['"]`)
    const naming: string[] = []
    for (const folder of ['server', 'shared', 'workers']) {
      const entries = await readdir(folder, { recursive: true })
      for (const file of entries.filter((name) => /\.[jt]s$/.test(name))) {
        const lines = (await readFile(join(folder, file), 'utf8')).split('\n')
        const code = lines.filter((line) => !/^\s*(?:\*|\/\/|\/\*\*)/.test(line))
        // `read('…')` and other quoted words of configuration are no roles.
        if (code.some((line) => /role/i.test(line) && names.test(line))) naming.push(join(folder, file))
      }
    }
    expect(naming.filter((file) => file !== join('shared', 'accounts', 'roles.ts'))).to.deep.equal([])
  })

  it('of an application come behind the built-in ones', () => {
    expect(rolesWith(['customer', 'shop:staff'])).to.deep.equal([...builtInRoles, 'customer', 'shop:staff'])
    expect(rolesWith()).to.deep.equal([...builtInRoles])
  })

  const refused: Record<string, [string[], RegExp]> = {
    'one that is built in': [['admin'], /"admin" is built in/],
    'one named twice': [['staff', 'staff'], /"staff" is named twice/],
    'one with a comma, which would be two in a header': [['a,admin'], /can't be a role/],
    'an empty one': [[''], /can't be a role/],
    'a property of every object is fine as a name': [['constructor', '1st'], /"1st" can't be a role/],
  }
  for (const [what, [extra, message]] of Object.entries(refused)) {
    it(`of an application are refused by name: ${what}`, () => {
      expect(() => rolesWith(extra)).to.throw(TypeError, message)
    })
  }
})
