import { readFileSync } from 'node:fs'

/** Below so many a process can't even load its modules, which opens many files at once. */
const fewestFiles = 512

/** Files and connections that this process may have open; null where the system does not tell. */
export function openFilesLimit(): number | null {
  try {
    // The soft limit, which Node has raised to the hard one at its start.
    const soft = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    if (soft === undefined) return null
    return soft === 'unlimited' ? Infinity : Number(soft)
  } catch {
    return null
  }
}

/** Why a process with this limit can't run, with the way out; or null. */
export function openFilesProblem(limit = openFilesLimit()): string | null {
  if (limit === null || limit >= fewestFiles) return null
  return (
    `a process may have only ${limit} files and connections open (ulimit -n), and at least ${fewestFiles} are needed ` +
    'to start, each connection being one: set ulimit -n 65536, LimitNOFILE=65536 (systemd) or ' +
    '--ulimit nofile=65536 (Docker)'
  )
}
