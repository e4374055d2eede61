import { cp, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

const root = path.join(import.meta.dirname, '..', '..')

/** A copy of the built checkout, which a test may break. */
export interface Deployment {
  readonly root: string
  remove(): Promise<void>
}

export async function copyDeployment(): Promise<Deployment> {
  const copy = await mkdtemp(path.join(tmpdir(), 'lockstep-deployment-'))
  const parts = ['dist', 'server', 'shared', 'workers']
  const files = ['ecosystem.config.js', 'package.json', 'package-lock.json', 'tsconfig.json']
  for (const name of [...parts, ...files]) {
    await cp(path.join(root, name), path.join(copy, name), { recursive: true })
  }
  await symlink(path.join(root, 'node_modules'), path.join(copy, 'node_modules'))
  return { root: copy, remove: () => rm(copy, { recursive: true, force: true, maxRetries: 5 }) }
}
