/**
 * `npm run pack:parts [FOLDER]`: a second tarball of the same build, with what an application that keeps its own server
 * installs: the parts, the files that they load, and the dependencies that those files name. The exports are the same, so
 * that under the name `lockstep` (`npm i lockstep@file:...`) imports stay what they are.
 */
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { builtinModules } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { root, setUp } from './set-up.js'

/** What needs our server; everything else that is exported is a part. */
const ofServer = ['.', './testing', './package.json']

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const target = resolve(process.argv[2] ?? '.')

if (await setUp({ production: false })) pack()
else process.exitCode = 1

function pack() {
  const exports = partsOf(manifest.exports)
  const { files, packages } = trace(Object.values(exports).flatMap((conditions) => Object.values(conditions)))
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-parts-'))
  try {
    for (const file of files) copy(file, folder)
    cpSync(join(root, 'LICENSE'), join(folder, 'LICENSE'))
    copy(join(root, 'dist', 'vendor', 'LICENSES.txt'), folder)
    cpSync(join(root, 'docs', 'parts.md'), join(folder, 'README.md'))
    writeFileSync(join(folder, 'package.json'), JSON.stringify(describe(exports, packages), null, 2))
    mkdirSync(target, { recursive: true })
    const args = ['pack', '--silent', '--pack-destination', target]
    process.stdout.write(execFileSync('npm', args, { cwd: folder, encoding: 'utf8' }))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * @param {Record<string, string | Record<string, string>>} exports
 * @returns {Record<string, Record<string, string>>}
 */
function partsOf(exports) {
  return Object.fromEntries(
    Object.entries(exports).flatMap(([path, conditions]) => {
      if (ofServer.includes(path) || typeof conditions === 'string') return []
      const { types, default: module } = conditions
      return [[path, { types: String(types), default: String(module) }]]
    }),
  )
}

/**
 * @param {Record<string, Record<string, string>>} exports
 * @param {Set<string>} packages
 */
function describe(exports, packages) {
  const { version, license, type, engines, sideEffects, dependencies, peerDependencies } = manifest
  const named = (/** @type {Record<string, string>} */ from) =>
    Object.fromEntries(Object.entries(from).filter(([name]) => packages.has(name)))
  for (const name of packages) {
    if (dependencies[name] || peerDependencies[name]) continue
    throw new Error(`a part imports ${name}, which package.json does not name among its dependencies`)
  }
  return {
    name: 'lockstep-parts',
    version,
    description:
      'Sessions, limits, jobs and settings that all workers of a Koa application share, for its own server',
    license,
    type,
    engines,
    sideEffects,
    exports: { ...exports, './package.json': './package.json' },
    dependencies: named(dependencies),
    peerDependencies: named(peerDependencies),
  }
}

/**
 * Everything that the files load, and the packages that they name. A file is loaded if another one has its name in
 * quotes, in whatever way it then loads it; of a folder, what is no module; beside a package.json, all of it.
 *
 * @param {string[]} entries
 */
function trace(entries) {
  /** @type {Set<string>} */
  const files = new Set()
  /** @type {Set<string>} */
  const packages = new Set()
  const waiting = entries.map((entry) => join(root, entry))
  for (let file = waiting.pop(); file; file = waiting.pop()) {
    if (files.has(file)) continue
    files.add(file)
    if (basename(file) === 'package.json')
      for (const beside of filesIn(dirname(file), true)) files.add(beside)
    if (!/\.js$|\.d\.ts$/.test(file)) continue
    const text = readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
    for (const [, word = ''] of text.matchAll(/['"`]([\w@./-]+)['"`]/g))
      waiting.push(...filesNamed(file, word))
    for (const [, name = ''] of text.matchAll(/(?:from|import)\s*\(?\s*['"]([^'".][^'"]*)['"]/g)) {
      for (const needed of packagesNamed(name, file)) packages.add(needed)
    }
  }
  return { files, packages }
}

/**
 * @param {string} from
 * @param {string} word
 * @returns {string[]}
 */
function filesNamed(from, word) {
  const place = resolve(dirname(from), word)
  if (!place.startsWith(join(root, 'dist'))) return []
  const isDeclaration = from.endsWith('.d.ts')
  if (isDeclaration)
    return [place.replace(/\.js$/, '.d.ts')].filter((file) => word.startsWith('.') && isFile(file))
  // What is read from a folder is no module.
  if (word.endsWith('/') && existsSync(place)) {
    return filesIn(place, false).filter((file) => !/\.(js|d\.ts|map)$/.test(file))
  }
  return [place, `${place}.js`].filter(isFile)
}

/**
 * @param {string} folder
 * @param {boolean} recursive
 */
function filesIn(folder, recursive) {
  const inside = readdirSync(folder, { recursive, encoding: 'utf8' })
  return inside.map((name) => join(folder, name)).filter(isFile)
}

/** @param {string} path */
function isFile(path) {
  return existsSync(path) && statSync(path).isFile()
}

/**
 * @param {string} specifier
 * @param {string} from
 * @returns {string[]}
 */
function packagesNamed(specifier, from) {
  if (specifier.startsWith('node:') || builtinModules.includes(specifier)) return []
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
  // Their types are a package of their own; the code is the application's.
  const types = `@types/${name}`
  return from.endsWith('.d.ts') && manifest.dependencies[types] ? [types] : [name]
}

/**
 * @param {string} file
 * @param {string} folder
 */
function copy(file, folder) {
  const to = join(folder, relative(root, file))
  mkdirSync(dirname(to), { recursive: true })
  cpSync(file, to)
}
