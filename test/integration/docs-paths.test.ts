/** What README and docs point at is there: files they link to, files and folders they name, scripts they run. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect } from 'chai'

const root = path.join(import.meta.dirname, '..', '..')
const notOurs = /(^|\/)(node_modules|dist|coverage|\.git)(\/|$)/

const folders = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !notOurs.test(entry.name))
  .map(({ name }) => name)

/** Every file of ours, by its path from the root. */
const files = [
  ...readdirSync(root),
  ...folders.flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
      .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
      .filter((name) => !notOurs.test(name)),
  ),
]

interface Document {
  readonly name: string
  readonly text: string
  /** Without its blocks of code, which other tests compile and run. */
  readonly prose: string
}

const documents: Document[] = files
  .filter((name) => /^(README\.md|(docs|examples|bench)\/.*\.md)$/.test(name))
  .map((name) => {
    const text = readFileSync(path.join(root, name), 'utf8')
    return { name, text, prose: text.replace(/^ *```.*?^ *```$/gms, '') }
  })

/** What the documents say that does not hold, each with where it says so. */
function wrongIn(find: (document: Document) => string[]): string[] {
  return documents.flatMap((document) => find(document).map((what) => `${document.name}: ${what}`))
}

function codeIn({ prose }: Document): string[] {
  return [...prose.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code)
}

/** Documents name a file by the end of its path, as far as it is needed to find it: `web/worker.ts`. */
function isFile(name: string): boolean {
  const pattern = name.replace(/[.*+?^${}()|[\]\\]/g, (sign) => (sign === '*' ? '[^/]*' : `\\${sign}`))
  const ending = new RegExp(`(^|/)${pattern}$`)
  return files.some((file) => ending.test(file))
}

describe('README and docs', () => {
  it('link to files that exist', () => {
    const missing = wrongIn(({ name, prose }) =>
      [...prose.matchAll(/\]\((?!\w+:)([^)#\s]+)/g)]
        .map(([, target = '']) => target)
        .filter((target) => !existsSync(path.join(root, path.dirname(name), target))),
    )
    expect(missing).to.deep.equal([])
  })

  it('name files and folders that exist', () => {
    const fileOfOurs = /^[\w-][\w./*-]*\.(ts|lua|pml|sh|service)$/
    const folderOfOurs = new RegExp(`^(${folders.join('|')})/.*/$`)
    const missing = wrongIn((document) =>
      codeIn(document).filter((code) => {
        if (folderOfOurs.test(code)) return !existsSync(path.join(root, code))
        return fileOfOurs.test(code) && !isFile(code)
      }),
    )
    expect(missing).to.deep.equal([])
  })

  it('run scripts that exist', () => {
    const missing = wrongIn(({ name, text }) => {
      const own = path.join(root, path.dirname(name), 'package.json')
      const packages = [path.join(root, 'package.json'), ...(existsSync(own) ? [own] : [])]
      const known = packages.flatMap((file) =>
        Object.keys((JSON.parse(readFileSync(file, 'utf8')) as { scripts?: object }).scripts ?? {}),
      )
      return [...text.matchAll(/npm run ([\w:-]+)/g)]
        .map(([, script = '']) => script)
        .filter((script) => !known.includes(script))
    })
    expect(missing).to.deep.equal([])
  })
})
