/** Loads the module of an application. Problems with it name its file and its entry. */
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { readFileSync, realpathSync, statSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { ConfigurationError } from '../kernel/errors.ts'
import { appVersion, type App } from './app.ts'
import { placesIn } from './declare.ts'

/** An application, and the file that it is in. */
export interface LoadedApp {
  readonly app: App
  /** As it was named, from the working directory: it stands before each of its problems. */
  readonly file: string
  /** When its file was written, in milliseconds since 1970: a later release is newer. */
  readonly release: number
}

/** How long the top level of a module may wait for something. */
const importWithinMs = 30_000

/**
 * Imports the application at `file`. A symlink is followed now, so that the next process may find another release there.
 * Throws a `ConfigurationError` with every problem.
 */
export async function loadApp(file: string | undefined, cwd = '.'): Promise<LoadedApp> {
  const loaded = await readApp(file, cwd)
  const { problems } = loaded.app['~lockstep']
  if (problems.length > 0) throw new ConfigurationError(problems.map((problem) => `${file}: ${problem}`))
  return loaded
}

/** The same, but what is wrong inside of the application is left in its `~lockstep.problems`. */
export async function readApp(file: string | undefined, cwd = '.'): Promise<LoadedApp> {
  if (file === undefined || file === '')
    throw refused('no application was named: give its file, such as ./app.js')
  const absolute = path.resolve(cwd, file)
  const missing = whyNoFile(absolute)
  if (missing !== null) throw refused(`${file}: ${missing}`)
  const exported = await importFile(absolute, file)
  const app = exported['default']
  const wrong = isCommonJs(absolute) ? whyCommonJs(absolute) : whyNoApp(app)
  if (wrong !== null) throw refused(`${file}: ${wrong}`)
  return { app: app as App, file, release: Math.floor(statSync(absolute).mtimeMs) }
}

function whyNoFile(absolute: string): string | null {
  try {
    return statSync(absolute).isFile() ? null : 'this is a directory: name the file in it, such as ./app.js'
  } catch {
    return 'there is no such file'
  }
}

async function importFile(absolute: string, file: string): Promise<Record<string, unknown>> {
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise<never>((_, reject) => {
    const late = `its import did not end within ${importWithinMs} ms: what does its top level wait for?`
    timer = setTimeout(() => reject(refused(`${file}: ${late}`)), importWithinMs)
  })
  try {
    return (await Promise.race([import(pathToFileURL(absolute).href), patience])) as Record<string, unknown>
  } catch (cause) {
    if (cause instanceof ConfigurationError) throw cause
    // TypeScript that is taken for CommonJS fails for reasons of its own, such as a top-level await.
    const reason =
      isTypeScript(absolute) && packageOf(absolute).type !== 'module' ? whyCommonJs(absolute) : null
    throw refused(
      `${file}: it can't be loaded: ${describeFault(cause, absolute)}${reason === null ? '' : `; ${reason}`}`,
    )
  } finally {
    clearTimeout(timer)
  }
}

/** The message, and the line that it happened at. */
function describeFault(cause: unknown, absolute: string): string {
  const message = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause)
  const stack =
    cause instanceof SyntaxError ? placeOfSyntax(absolute) : cause instanceof Error ? cause.stack : ''
  const place = placesIn(stack).find(({ file }) => !file.includes(`${path.sep}node_modules${path.sep}`))
  return place === undefined || message.includes(`${place.file}:`)
    ? message
    : `${message} (${place.file}:${place.line})`
}

/**
 * Node knows where a module does not parse, and tells it only when it dies of it. Nothing of the application runs: modules
 * are parsed before any of them is.
 */
function placeOfSyntax(absolute: string): string {
  const script = `await import(${JSON.stringify(pathToFileURL(absolute).href)})`
  const args = [...process.execArgv, '--input-type=module', '--eval', script]
  const { stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 5_000 })
  return stderr
}

/** Node notes CommonJS modules that were imported where `require` finds them. */
function isCommonJs(absolute: string): boolean {
  const { cache } = createRequire(import.meta.url)
  return cache[realpathSync(absolute)] !== undefined
}

/** What makes Node take the file for CommonJS, and what to change. */
function whyCommonJs(absolute: string): string {
  if (/\.c[jt]s$/.test(absolute)) {
    return 'it is a CommonJS module: write it with import and export default, in a file that ends in .js, .mjs or .ts'
  }
  const { file } = packageOf(absolute)
  const change =
    file === null
      ? `put a package.json with { "type": "module" } beside it`
      : `add "type": "module" to ${file}`
  return isTypeScript(absolute)
    ? `Node takes it for a CommonJS module: ${change}`
    : `it is a CommonJS module: write it with import and export default, and ${change}`
}

function isTypeScript(file: string): boolean {
  return /\.tsx?$/.test(file)
}

/** The nearest package.json above the file, as Node looks for it, and its `type`. */
function packageOf(absolute: string): { readonly file: string | null; readonly type?: unknown } {
  for (let directory = path.dirname(absolute); ; directory = path.dirname(directory)) {
    const file = path.join(directory, 'package.json')
    try {
      const { type } = JSON.parse(readFileSync(file, 'utf8')) as { type?: unknown }
      return { file, type }
    } catch (cause) {
      if (cause instanceof SyntaxError) return { file }
      if (directory === path.dirname(directory)) return { file: null }
    }
  }
}

function whyNoApp(app: unknown): string | null {
  const brand = (app as Partial<App> | null | undefined)?.['~lockstep']
  if (brand === undefined)
    return 'its default export is not an application: export default defineApp({ ... })'
  if (brand.version === appVersion) return null
  return (
    `it was made by a lockstep with applications of version ${brand.version}, and this server runs version ` +
    `${appVersion}: install the same lockstep in the application`
  )
}

function refused(problem: string): ConfigurationError {
  return new ConfigurationError([problem])
}
