import { expect } from 'chai'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { tell } from '../../shared/kernel/redis/identity.ts'

const shared = path.join(import.meta.dirname, '..', '..', 'shared')

describe('the scripts that run in Redis', () => {
  it('ask who Redis is in the one way that can be answered for them', async () => {
    const files = (await readdir(shared, { recursive: true })).filter((name) => name.endsWith('.lua'))
    const asking: string[] = []
    for (const name of files) {
      const source = await readFile(path.join(shared, name), 'utf8')
      if (!/'INFO', 'server'/.test(source)) continue
      asking.push(name)
      expect(tell(source, 'abc123'), name).not.to.match(/'INFO', 'server'/)
      expect(tell(source, 'abc123'), name).to.contain("'run_id:abc123'")
    }
    expect(asking).to.have.length.at.least(1)
  })
})
