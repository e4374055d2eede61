import { expect } from 'chai'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

const root = path.join(import.meta.dirname, '..', '..')
const rooms = ['server', 'workers', 'shared', 'test', 'bench', 'docs', 'examples']

/** Every file and folder of ours, from the root. */
const paths: readonly string[] = [
  ...readdirSync(root),
  ...rooms.flatMap((room) =>
    readdirSync(path.join(root, room), { recursive: true, encoding: 'utf8' })
      .filter((found) => !found.includes('node_modules'))
      .map((found) => path.join(room, found)),
  ),
]

const documents = paths.filter((found) => /^(README\.md|(docs|examples)\/.*\.md)$/.test(found))

/** What is written as code and can only be a path of ours: it begins with one of our rooms, or is a source file. */
function mentioned(text: string): string[] {
  const spans = [...text.replaceAll(/```[\s\S]*?```/g, '').matchAll(/`([\w./-]+)`/g)].map(
    ([, span]) => span ?? '',
  )
  const inRoom = new RegExp(`^(${rooms.join('|')})/`)
  return spans.filter((span) => inRoom.test(span) || /^[\w-][\w./-]*\.(ts|lua)$/.test(span))
}

/** In full, or by its last segments where the text has said which folder it is about. */
function exists(mention: string): boolean {
  const wanted = mention.replace(/\/$/, '')
  return paths.some((found) => found === wanted || found.endsWith(`/${wanted}`))
}

describe('README and docs', () => {
  it('mention files and folders that there are', () => {
    const missing = documents.flatMap((document) =>
      mentioned(readFileSync(path.join(root, document), 'utf8'))
        .filter((mention) => !exists(mention))
        .map((mention) => `${document}: ${mention}`),
    )
    expect(missing).to.deep.equal([])
  })

  it('link to files that there are', () => {
    const broken = documents.flatMap((document) => {
      const text = readFileSync(path.join(root, document), 'utf8')
      return [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
        .map(([, target]) => target ?? '')
        .filter((target) => !/^[a-z]+:/.test(target))
        .filter((target) => !paths.includes(path.join(path.dirname(document), target).replace(/\/$/, '')))
        .map((target) => `${document}: ${target}`)
    })
    expect(broken).to.deep.equal([])
  })
})
