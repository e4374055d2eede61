import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A folder of somebody who has installed us, with these files. */
export interface ApplicationFolder {
  readonly path: string
  write(files: Readonly<Record<string, string>>): Promise<void>
  remove(): Promise<void>
}

const root = fileURLToPath(new URL('../..', import.meta.url))

export async function makeApplicationFolder(
  files: Readonly<Record<string, string>> = {},
): Promise<ApplicationFolder> {
  const path = await mkdtemp(join(tmpdir(), 'lockstep-app-'))
  async function write(more: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, text] of Object.entries(more)) {
      await mkdir(dirname(join(path, name)), { recursive: true })
      await writeFile(join(path, name), text)
    }
  }
  await write({ 'package.json': '{ "type": "module" }', ...files })
  await mkdir(join(path, 'node_modules'), { recursive: true })
  await symlink(root, join(path, 'node_modules', 'lockstep'))
  return { path, write, remove: () => rm(path, { recursive: true, force: true }) }
}

/** An application's module with these routes for everyone, each with the source of its handler. */
export function applicationWithRoutes(handlers: Readonly<Record<string, string>>): string {
  const routes = Object.entries(handlers).map(
    ([path, handler]) => `defineRoute({ method: 'GET', path: '${path}', access: 'anyone', summary: 'a test',
      replies: { 200: { description: 'done' } }, handler: ${handler} }),`,
  )
  return `import { defineApp, defineRoute } from 'lockstep'
export default defineApp({ name: 'tested', routes: [${routes.join('\n')}] })
`
}
