/** For development: calls back when a source file was saved. */
import { readdirSync, statSync, watch, type FSWatcher } from 'node:fs'
import path from 'node:path'
import type { Service } from '../../shared/kernel/lifecycle.ts'

export interface WatchSourcesOptions {
  readonly directories: readonly string[]
  onChange(file: string): void
  onFailure(cause: unknown): void
}

/** What is never loaded, or is written by what runs. */
const ignored = /(?:^|[/\\])(?:node_modules|dist|coverage|logs?|\.[^/\\]+)(?:[/\\]|$)/
const sources = /\.(?:[cm]?[jt]sx?|json|lua|html|css|svg|sql)$/
/** Editors write a file in several steps, and people save several files at once. */
const settleMs = 100

/**
 * Watches each directory by itself, and never a file: most editors save by putting a new file in the place of the old
 * one. Node's recursive watch follows the old one on Linux, and hears of such a save only once.
 */
export function watchSources({ directories, onChange, onFailure }: WatchSourcesOptions): Service {
  const watchers = new Map<string, FSWatcher>()
  let settling: NodeJS.Timeout | undefined

  function changed(name: string): void {
    if (!sources.test(name)) return
    clearTimeout(settling)
    settling = setTimeout(() => onChange(name), settleMs)
  }

  /** The directory at `name` below `root` (the root itself: ''), and those in it. Returns the files that are there. */
  function follow(root: string, name: string): string[] {
    const directory = path.join(root, name)
    const watcher = watch(directory, (event, entry) => {
      if (entry !== null) noticed(root, path.join(name, entry), event === 'rename')
    })
    watcher.on('error', (cause) => {
      watcher.close()
      if (!isGone(cause)) onFailure(cause)
    })
    watchers.set(directory, watcher)
    const entries = readdirSync(directory, { withFileTypes: true }).filter(
      (entry) => !ignored.test(path.join(name, entry.name)),
    )
    return entries.flatMap((entry) => {
      const below = path.join(name, entry.name)
      return entry.isDirectory() ? follow(root, below) : [below]
    })
  }

  function unfollow(directory: string): void {
    for (const [watched, watcher] of watchers) {
      if (watched !== directory && !watched.startsWith(directory + path.sep)) continue
      watcher.close()
      watchers.delete(watched)
    }
  }

  /** `moved`: something came or went under this name; else it was written. */
  function noticed(root: string, name: string, moved: boolean): void {
    if (ignored.test(name)) return
    changed(name)
    if (!moved || sources.test(name)) return
    const directory = path.join(root, name)
    unfollow(directory)
    try {
      // A directory that was made or moved here, with what is in it already.
      if (!statSync(directory).isDirectory()) return
      for (const file of follow(root, name)) changed(file)
    } catch (cause) {
      if (!isGone(cause)) onFailure(cause)
    }
  }

  return {
    async start() {
      for (const directory of directories) follow(path.normalize(directory), '')
    },
    async stop() {
      clearTimeout(settling)
      for (const watcher of watchers.values()) watcher.close()
      watchers.clear()
    },
  }
}

/** Gone again by now. */
function isGone(cause: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'EPERM'].includes((cause as NodeJS.ErrnoException).code ?? '')
}
