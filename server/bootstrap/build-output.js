import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { bundle } from './bundle.js'
import { SetUpProblem } from './problem.js'
import { withProgress } from './progress.js'
import { runTool } from './run-tool.js'
import { withSetUpLock } from './set-up-lock.js'
import { vendor } from './vendor.js'

const sourceDirectories = ['server', 'workers', 'shared']
const settings = ['tsconfig.json', 'package-lock.json', 'server/bootstrap/tsconfig.build.json']
const stampName = '.built-from'
/** Which release it is; read by `shared/process/release.ts`. */
const releaseName = '.release'

/** Beside `dist`, so that the source maps in it still point to the sources after the move. */
const draftPrefix = '.lockstep-build-'

/**
 * Compiles to `dist`, unless it was built from these sources already. A build that fails or is interrupted leaves
 * the `dist` of before.
 *
 * @param {string} root
 * @param {{ rebuild?: boolean }} [options]
 */
export async function ensureBuilt(root, { rebuild = false } = {}) {
  if (!rebuild && isBuilt(root)) return
  await withSetUpLock(root, async () => {
    if (!rebuild && isBuilt(root)) return
    console.error('Building ...')
    removeDrafts(root)
    const draft = join(root, `${draftPrefix}${process.pid}`)
    try {
      // Before the compiler reads them: what is edited from now on makes this build stale.
      const stamp = fingerprint(root)
      await withProgress(
        () => compile(root, draft),
        () => 'the compiler is at work; the server is the next step',
      )
      pointDeclarationsAtJavaScript(draft)
      copyAssets(root, draft)
      await vendor(root, draft)
      await bundle(root, draft)
      writeFileSync(join(draft, releaseName), String(await releaseOf(root, stamp)))
      writeFileSync(join(draft, stampName), stamp)
      replaceOutput(root, draft)
    } finally {
      removeDrafts(root)
    }
  })
}

/**
 * Whether `dist` was built from the sources as they are.
 *
 * @param {string} root
 */
export function isBuilt(root) {
  const stamp = join(root, 'dist', stampName)
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint(root)
}

/**
 * When the sources became what they are, in milliseconds since 1970: their commit, if they are as committed; else this
 * build, unless the one before was built from the same. So a host that builds the old code once more is not newer than
 * one that has the new code.
 *
 * @param {string} root
 * @param {string} stamp
 */
async function releaseOf(root, stamp) {
  const paths = [...sourceDirectories, ...settings]
  const changes = await git(root, 'status', '--porcelain', '--', ...paths)
  const committed = changes === '' ? await git(root, 'log', '-1', '--format=%ct', '--', ...paths) : null
  if (committed) return Number(committed) * 1_000
  const output = join(root, 'dist')
  const before = [stampName, releaseName].map((name) => join(output, name))
  const [builtFrom, release] = before.map((file) => (existsSync(file) ? readFileSync(file, 'utf8') : ''))
  return builtFrom === stamp && release ? Number(release) : Date.now()
}

/**
 * What git says, or null where there is none or it is no checkout of its own.
 *
 * @param {string} root
 * @param {string[]} args
 * @returns {Promise<string | null>}
 */
function git(root, ...args) {
  if (!existsSync(join(root, '.git'))) return Promise.resolve(null)
  return new Promise((resolve) => {
    execFile('git', args, { cwd: root, timeout: 10_000 }, (failure, out) =>
      resolve(failure ? null : out.trim()),
    )
  })
}

/**
 * What the sources are: another one as soon as one of them is edited.
 *
 * @param {string} root
 */
export function fingerprint(root) {
  const hash = createHash('sha256')
  for (const file of [...sources(root), ...settings.map((name) => join(root, name))]) {
    const content = readFileSync(file)
    hash.update(`${relative(root, file)}\0${content.length}\0`).update(content)
  }
  return hash.digest('hex')
}

/** @param {string} root */
function sources(root) {
  return sourceDirectories
    .filter((name) => existsSync(join(root, name)))
    .flatMap((name) => readdirSync(join(root, name), { withFileTypes: true, recursive: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

/**
 * @param {string} root
 * @param {string} draft
 */
async function compile(root, draft) {
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const project = join(root, 'server', 'bootstrap', 'tsconfig.build.json')
  const args = [compiler, '-p', project, '--outDir', draft, '--pretty', String(process.stderr.isTTY ?? false)]
  const { code, output } = await runTool(process.execPath, args, root)
  if (code !== 0) {
    throw new SetUpProblem(
      `${output}\nThe build failed; the errors are above. Nothing was changed or started.`,
    )
  }
}

/**
 * The compiler rewrites the extension of imports in what it makes, but not in declarations: for who installs this, their
 * `./x.ts` leads nowhere, and every type that comes from there would be `any` without a word.
 *
 * @param {string} draft
 */
function pointDeclarationsAtJavaScript(draft) {
  for (const entry of readdirSync(draft, { withFileTypes: true, recursive: true })) {
    if (!entry.name.endsWith('.d.ts')) continue
    const file = join(entry.parentPath, entry.name)
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, text.replace(/((?:from|import)\s*\(?\s*['"]\.{1,2}\/[^'"]+)\.ts(['"])/g, '$1.js$2'))
  }
}

/**
 * Whatever is not compiled may be read while running: scripts of Redis, pages, styles.
 *
 * @param {string} root
 * @param {string} draft
 */
function copyAssets(root, draft) {
  const bootstrap = [join(root, 'server', 'start.js'), join(root, 'server', 'bootstrap')]
  for (const file of sources(root)) {
    if (file.endsWith('.ts') || bootstrap.some((path) => file.startsWith(path))) continue
    const copy = join(draft, relative(root, file))
    mkdirSync(dirname(copy), { recursive: true })
    cpSync(file, copy)
  }
}

/**
 * @param {string} root
 * @param {string} draft
 */
function replaceOutput(root, draft) {
  const output = join(root, 'dist')
  if (existsSync(output)) renameSync(output, `${draft}-replaced`)
  renameSync(draft, output)
}

/** @param {string} root */
function removeDrafts(root) {
  for (const name of readdirSync(root)) {
    if (name.startsWith(draftPrefix)) rmSync(join(root, name), { recursive: true, force: true })
  }
}
