/**
 * Bundles what the processes of the server load: a web worker is some 1,000 modules, and reading and linking each of
 * them is most of its start. The build of single files stays beside it, for those who import parts and for the tests.
 *
 * A bundle is no copy of its sources: what a module reads from beside itself (scripts of Redis, styles) it goes on
 * reading from the build of single files, so `import.meta` keeps its meaning in every module but the entries.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { licensesOf } from './licenses.js'
import { SetUpProblem } from './problem.js'

/** The programs, and what applications import: that must be the very module that the server uses. */
const entries = ['server/main.js', 'server/entries/check.js', 'workers/main.js', 'shared/app/index.js']

/**
 * Native code, what starts threads from files of its own, and what only few deployments load. `import` finds these in
 * node_modules, as without a bundle.
 */
const external = [
  '@node-rs/argon2',
  'libsql',
  'pg-native',
  'pino',
  'pino-pretty',
  '@opentelemetry/*',
  '@zxcvbn-ts/*',
  // Optional to what is bundled, and not installed.
  '@valkey/valkey-glide',
  'bufferutil',
  'utf-8-validate',
]

/** In each file of the bundle: where the build of single files is, and a `require` for packages that call it. */
const preamble =
  "import{createRequire as __createRequire}from'node:module';" +
  "const __build=import.meta.url.slice(0,import.meta.url.lastIndexOf('/bundle/')+1);" +
  'const require=__createRequire(__build);'

/**
 * @param {string} root
 * @param {string} output the build of single files; the bundle becomes its directory `bundle`
 */
export async function bundle(root, output) {
  const { build } = await import('esbuild')
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: entries.map((entry) => join(output, entry)),
    outbase: output,
    outdir: join(output, 'bundle'),
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    minifySyntax: true,
    minifyWhitespace: true,
    sourcemap: true,
    // Node reads the maps of all that it loads, to name lines of the sources in stack traces.
    sourcesContent: false,
    metafile: true,
    external,
    // The same package for those that import it and those that require it: else both of its builds are bundled.
    alias: { bullmq: join(root, 'node_modules', 'bullmq', 'dist', 'esm', 'index.js') },
    banner: { js: preamble },
    plugins: [keepPlaces(output)],
    logLevel: 'silent',
  }).catch((/** @type {Error} */ cause) => {
    throw new SetUpProblem(`${cause.message}\nThe bundle could not be built. Nothing was changed or started.`)
  })
  writeFileSync(join(output, 'bundle', 'LICENSES.txt'), licensesOf(root, Object.keys(metafile.inputs)))
}

/**
 * @param {string} output
 * @returns {import('esbuild').Plugin}
 */
function keepPlaces(output) {
  return {
    name: 'keep places',
    setup(build) {
      build.onLoad({ filter: /\.js$/ }, ({ path }) => {
        const place = relative(output, path).replaceAll('\\', '/')
        if (place.startsWith('..') || entries.includes(place)) return undefined
        const code = readFileSync(path, 'utf8')
        if (!code.includes('import.meta.')) return undefined
        const url = `(__build+${JSON.stringify(place)})`
        const contents = code
          .replaceAll('import.meta.url', url)
          .replaceAll('import.meta.dirname', `decodeURIComponent(new URL('.',${url}).pathname).slice(0,-1)`)
        return { contents, loader: 'js', resolveDir: dirname(path) }
      })
    },
  }
}
