/**
 * The processes that the tests started and have to end. The root hook fails a run that leaves one behind: what a
 * test forgets here, the server would forget in production.
 */
const children = new Map<number, string>()

/** Remembers a process that the support code started, by what it is. */
export function trackChild(pid: number, description: string): void {
  children.set(pid, description)
}

/** The tracked processes that are still alive, `pid` to description. */
export function livingChildren(): Map<number, string> {
  for (const pid of children.keys()) if (!isAlive(pid)) children.delete(pid)
  return new Map(children)
}

/** Whether a process with this id exists (and is ours to signal). */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
