/** A new application, written from the template beside this file. */
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { CommandFailed, UsageError } from '../command.ts'

export interface NewApplication {
  /** Where it goes: a name, or a path whose last part is the name. */
  readonly place: string
  readonly cwd: string
  /** Which lockstep it depends on, as package.json has it: `^0.1.0`, `file:../lockstep.tgz`. */
  readonly lockstep: string
}

export interface WrittenApplication {
  readonly name: string
  readonly directory: string
  readonly files: readonly string[]
}

const template = path.join(import.meta.dirname, 'template')

/** npm leaves these out of a package, whatever it is told; the suffix keeps compilers away from what is none of ours. */
const renamed: Readonly<Record<string, string>> = { gitignore: '.gitignore', dockerignore: '.dockerignore' }
const suffix = '.template'

/** Writes all files, or none where the place or the name can't be used: then it throws in words. */
export async function createApplication({
  place,
  cwd,
  lockstep,
}: NewApplication): Promise<WrittenApplication> {
  const directory = path.resolve(cwd, place)
  const name = path.basename(directory)
  refuseName(name)
  await refuseTaken(directory, place)
  const files: string[] = []
  for (const source of await templateFiles()) {
    const file = targetOf(source)
    const text = await readFile(path.join(template, source), 'utf8')
    await mkdir(path.dirname(path.join(directory, file)), { recursive: true })
    await writeFile(path.join(directory, file), filledIn(text, { name, lockstep }), { flag: 'wx' })
    files.push(file)
  }
  return { name, directory, files }
}

async function templateFiles(): Promise<string[]> {
  const entries = await readdir(template, { withFileTypes: true, recursive: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(template, path.join(entry.parentPath, entry.name)))
    .sort()
}

function targetOf(source: string): string {
  const file = source.endsWith(suffix) ? source.slice(0, -suffix.length) : source
  const { dir, base } = path.parse(file)
  return path.join(dir, renamed[base] ?? base)
}

function filledIn(text: string, { name, lockstep }: { name: string; lockstep: string }): string {
  return text.replaceAll('__NAME__', name).replaceAll('__LOCKSTEP__', JSON.stringify(lockstep).slice(1, -1))
}

/** It is the name of a package and of an application, which names its keys in Redis. */
function refuseName(name: string): void {
  if (!/^[a-z][a-z0-9-]{0,47}$/.test(name)) {
    throw new UsageError(
      `${JSON.stringify(name)} can't be the name of an application: a small letter, then small letters, digits and hyphens, at most 48`,
    )
  }
  if (name === 'lockstep' || name === 'node-modules') {
    throw new UsageError(
      `an application can't be called ${name}: it could not depend on the package of that name`,
    )
  }
}

async function refuseTaken(directory: string, place: string): Promise<void> {
  const found = await stat(directory).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return null
    throw new CommandFailed(`${place} can't be used: ${cause.message}`)
  })
  if (found === null) return
  if (!found.isDirectory()) throw new CommandFailed(`${place} is a file: choose another name`, 'taken')
  const [first] = await readdir(directory)
  if (first !== undefined) {
    throw new CommandFailed(
      `${place} is not empty (there is ${first}): choose another name, or empty it`,
      'taken',
    )
  }
}
