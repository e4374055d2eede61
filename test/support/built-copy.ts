import { cp, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { builtMain } from './cluster.ts'

const built = path.join(path.dirname(builtMain), '..')
const root = path.join(built, '..')

/** The built server in a place of its own, so that a test may deploy another build under it. */
export interface BuiltCopy {
  readonly mainPath: string
  /** Replaces one compiled module, such as `server/routes.js`. */
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

/** A module of routes of an application, in place of `server/routes.js`, each with the source of its handler. */
export function routesModule(handlers: Readonly<Record<string, string>>): string {
  const routes = Object.entries(handlers).map(
    ([path, handler]) => `defineRoute({ method: 'GET', path: '${path}', access: 'anyone', summary: 'a test',
      replies: { 200: { description: 'done' } }, handler: ${handler} }),`,
  )
  return `import { defineRoute } from '../shared/app/route.js'\nexport const routes = [${routes.join('\n')}]\n`
}
