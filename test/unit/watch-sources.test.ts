import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect } from 'chai'
import { watchSources } from '../../server/cluster/watch-sources.ts'
import type { Service } from '../../shared/kernel/lifecycle.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { eventually } from '../support/eventually.ts'

describe('What is watched in development', () => {
  let directory: string
  let watching: Service
  let seen: string[]

  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'lockstep-watch-'))
    await mkdir(path.join(directory, 'routes'))
    await writeFile(path.join(directory, 'app.js'), '1')
    await writeFile(path.join(directory, 'routes', 'links.js'), '1')
    seen = []
    watching = watchSources({
      directories: [directory],
      onChange: (file) => seen.push(file),
      onFailure: (cause) => seen.push(String(cause)),
    })
    await watching.start()
  })

  afterEach(async () => {
    await watching.stop(deadlineIn(1_000))
    await rm(directory, { recursive: true, force: true })
  })

  /** As most editors save: a new file takes the place of the old one. */
  async function replace(file: string, content: string): Promise<void> {
    const draft = path.join(directory, 'draft~')
    await writeFile(draft, content)
    await rename(draft, path.join(directory, file))
  }

  async function expectNext(file: string, act: () => Promise<unknown>): Promise<void> {
    seen.length = 0
    await act()
    await eventually(() => expect(seen).to.include(file), 5_000)
  }

  it('is each save of a file that is replaced, not only the first', async () => {
    for (const content of ['2', '3', '4'])
      for (const file of ['app.js', path.join('routes', 'links.js')])
        await expectNext(file, () => replace(file, content))
  })

  it('is a file that is written in place', async () => {
    for (const content of ['2', '3'])
      await expectNext('app.js', () => writeFile(path.join(directory, 'app.js'), content))
  })

  it('are files in directories that are made later', async () => {
    const file = path.join('jobs', 'mail', 'send.js')
    await expectNext(file, async () => {
      await mkdir(path.join(directory, 'jobs', 'mail'), { recursive: true })
      await writeFile(path.join(directory, file), '1')
    })
    await expectNext(file, () => replace(file, '2'))
    await rm(path.join(directory, 'jobs'), { recursive: true })
    await expectNext(file, async () => {
      await mkdir(path.join(directory, 'jobs', 'mail'), { recursive: true })
      await writeFile(path.join(directory, file), '3')
    })
  })

  it('is nothing of what is installed or written by what runs', async () => {
    await mkdir(path.join(directory, '.lockstep'))
    await mkdir(path.join(directory, 'node_modules', 'some'), { recursive: true })
    await writeFile(path.join(directory, '.lockstep', 'a.json'), '1')
    await writeFile(path.join(directory, 'node_modules', 'some', 'index.js'), '1')
    await expectNext('app.js', () => replace('app.js', '2'))
    expect(seen).to.deep.equal(['app.js'])
  })
})
