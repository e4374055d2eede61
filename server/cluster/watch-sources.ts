/** For development: calls back when a source file was saved. */
import { watch, type FSWatcher } from 'node:fs'
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

export function watchSources({ directories, onChange, onFailure }: WatchSourcesOptions): Service {
  let watchers: FSWatcher[] = []
  let settling: NodeJS.Timeout | undefined

  function changed(name: string | null): void {
    if (name === null || ignored.test(name) || !sources.test(name)) return
    clearTimeout(settling)
    settling = setTimeout(() => onChange(name), settleMs)
  }

  return {
    async start() {
      watchers = directories.map((directory) =>
        watch(directory, { recursive: true }, (_event, name) =>
          changed(name === null ? null : path.normalize(name)),
        ).on('error', onFailure),
      )
    },
    async stop() {
      clearTimeout(settling)
      for (const watcher of watchers) watcher.close()
    },
  }
}
