import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { extname, join, relative, sep } from 'node:path'

/** What is needed of a context of Koa to answer with a file. */
interface FileContext {
  set(fields: Record<string, string>): void
  body: unknown
}

/** A file by the path below the board under which the page asks for it. */
export interface StaticFile {
  readonly path: string
  send(ctx: FileContext): Promise<void>
}

const contentTypes: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
}

/** Every file in the directory: what is served is a list, so that no path can lead out of it. */
export function listStaticFiles(directory: string): StaticFile[] {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && extname(entry.name) in contentTypes)
    .map((entry) => {
      const file = join(entry.parentPath, entry.name)
      return staticFile(`static/${relative(directory, file).split(sep).join('/')}`, file)
    })
}

export function staticFile(path: string, file: string): StaticFile {
  const contentType = contentTypes[extname(file)] as string
  // A name with a hash in it never means other bytes. The files are the same for everybody, and no secret.
  const caching = /\.[0-9a-f]{10}\./.test(path)
    ? 'private, max-age=31536000, immutable'
    : 'private, max-age=3600'
  return {
    path,
    async send(ctx) {
      const bytes = await readFile(file)
      ctx.set({ 'Content-Type': contentType, 'Cache-Control': caching })
      ctx.body = bytes
    },
  }
}

/** Ours, which runs before bull-board's own. */
export function boardScript(): StaticFile {
  return staticFile('static/board-page.js', join(import.meta.dirname, 'board-page.js'))
}

/** Ours, which comes after bull-board's own: the frame around it, and what is hard to read or cut off in it. */
export function boardStyle(): StaticFile {
  return staticFile('static/board-frame.css', join(import.meta.dirname, 'board-frame.css'))
}
