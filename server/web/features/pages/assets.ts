import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { AppContext } from '../../../../shared/app/context.ts'
import { defineRoute, type Route } from '../../../../shared/app/route.ts'

/**
 * A file that is public and lies in memory, for the `pages` of a feature. It changes with a release only, and is looked
 * at again each day.
 *
 * @param directory `import.meta.dirname` of who calls
 */
export function asset(path: string, directory: string, file: string, contentType: string): Route {
  const bytes = readFileSync(join(directory, file))
  return defineRoute({
    method: 'GET',
    path,
    access: 'anyone',
    identify: false,
    inMaintenance: 'open',
    limits: [],
    summary: `The file ${basename(file)}`,
    replies: { 200: { description: 'The file' } },
    handler(ctx: AppContext) {
      ctx.set({ 'Content-Type': contentType, 'Cache-Control': 'public, max-age=86400' })
      ctx.body = bytes
    },
  })
}
