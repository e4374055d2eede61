import { cp, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

const root = path.join(import.meta.dirname, '..', '..')
const built = path.join(root, 'dist')

/**
 * The built server in a place of its own, so that a test may deploy another build under it: that of single files, in
 * which one module can be replaced.
 */
export interface BuiltCopy {
  readonly mainPath: string
  /** Replaces one compiled module, such as `server/web/app.js`. */
  replace(module: string, source: string): Promise<void>
  /** As it was built. */
  restore(module: string): Promise<void>
  remove(): Promise<void>
}

export async function copyBuild(): Promise<BuiltCopy> {
  const directory = await mkdtemp(path.join(tmpdir(), 'lockstep-build-'))
  const dist = path.join(directory, 'dist')
  await cp(built, dist, { recursive: true })
  await cp(path.join(root, 'package.json'), path.join(directory, 'package.json'))
  await symlink(path.join(root, 'node_modules'), path.join(directory, 'node_modules'))
  return {
    mainPath: path.join(dist, 'server', 'main.js'),
    replace: (module, source) => writeFile(path.join(dist, module), source),
    restore: (module) => cp(path.join(built, module), path.join(dist, module)),
    remove: () => rm(directory, { recursive: true, force: true, maxRetries: 5 }),
  }
}
