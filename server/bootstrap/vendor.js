/**
 * Takes bull-board into the build. As a dependency it would bring TypeScript (31 MB) into production wherever that is
 * installed for development: one of its own dependencies names it as an optional peer, which npm then takes for needed.
 */
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { licensesOf } from './licenses.js'
import { SetUpProblem } from './problem.js'

const entry = `
export { createBullBoard } from '@bull-board/api'
export { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
`
const specifier = /(from\s*['"])@bull-board\/api(?:\/bullMQAdapter)?(['"])/g

/** Where it looks for its page, in the words of its own source. */
const findsPage = "eval(`require.resolve('@bull-board/ui/package.json')`)"

/** It is CommonJS, and requires these: they are imported instead, so that there is one of each, and no `require`. */
const hosts = /** @type {const} */ ({ bullmq: '__bullmq', path: '__path' })

/** Names of its own, since the bundle takes this module in among others. */
const preamble =
  "import*as __bullmq from'bullmq';import*as __path from'node:path';" +
  "import{fileURLToPath as __pathOf}from'node:url';" +
  "const __page=__pathOf(new URL('./bull-board-ui/package.json',import.meta.url));"

/**
 * @param {string} root
 * @param {string} output the build of single files
 */
export async function vendor(root, output) {
  const { build } = await import('esbuild')
  const file = join(output, 'vendor', 'bull-board.js')
  let found = false
  const { metafile } = await build({
    metafile: true,
    absWorkingDir: root,
    stdin: { contents: entry, resolveDir: root, sourcefile: 'bull-board.js' },
    outfile: file,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    legalComments: 'inline',
    banner: { js: preamble },
    plugins: [
      {
        name: 'find the page, and what the host has',
        setup(build) {
          build.onResolve({ filter: new RegExp(`^(${Object.keys(hosts).join('|')})$`) }, ({ path }) => ({
            path,
            namespace: 'host',
          }))
          build.onLoad({ filter: /./, namespace: 'host' }, ({ path }) => ({
            contents: `module.exports = ${hosts[/** @type {keyof typeof hosts} */ (path)]}`,
          }))
          build.onLoad({ filter: /@bull-board[\\/]api[\\/]dist[\\/]index\.js$/ }, ({ path }) => {
            const code = readFileSync(path, 'utf8')
            found = code.includes(findsPage)
            return { contents: code.replace(findsPage, '__page'), loader: 'js' }
          })
        },
      },
    ],
    logLevel: 'silent',
  })
  if (readFileSync(file, 'utf8').includes('__require("')) {
    throw new SetUpProblem('bull-board requires more than before: adapt server/bootstrap/vendor.js')
  }
  if (!found)
    throw new SetUpProblem('bull-board looks for its page in another way: adapt server/bootstrap/vendor.js')
  const page = join(root, 'node_modules', '@bull-board', 'ui')
  for (const name of ['package.json', 'dist']) {
    cpSync(join(page, name), join(output, 'vendor', 'bull-board-ui', name), { recursive: true })
  }
  writeFileSync(join(output, 'vendor', 'LICENSES.txt'), licensesOf(root, Object.keys(metafile.inputs)))
  useVendored(output, file)
}

/**
 * @param {string} output
 * @param {string} file
 */
function useVendored(output, file) {
  for (const entry of readdirSync(output, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.js')) continue
    const path = join(entry.parentPath, entry.name)
    if (path === file) continue
    const code = readFileSync(path, 'utf8')
    if (!code.includes('@bull-board/api')) continue
    const place = relative(dirname(path), file).replaceAll('\\', '/')
    writeFileSync(path, code.replace(specifier, `$1${place}$2`))
  }
}
