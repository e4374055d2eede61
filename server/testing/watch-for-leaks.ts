import { setTimeout as pause } from 'node:timers/promises'

/** Kinds that a forgotten connection, server or child process shows as. Timers come and go with libraries. */
const kinds = ['TCPSocketWrap', 'TCPServerWrap', 'PipeWrap', 'ProcessWrap', 'FSEventWrap'] as const
const patienceMs = 2_000
const lookEveryMs = 20

/** Remembers what is open now. `check` rejects when there is more of it later, for longer than it takes to let go. */
export function watchForLeaks(): { check(): Promise<void> } {
  const before = countOpen()

  function more(): string[] {
    const now = countOpen()
    return kinds.filter((kind) => (now.get(kind) ?? 0) > (before.get(kind) ?? 0))
  }

  return {
    async check() {
      const patience = performance.now() + patienceMs
      while (more().length > 0) {
        if (performance.now() > patience) {
          throw new Error(
            `the application left something open: ${more().join(', ')}. What \`services\` made needs a \`stop\``,
          )
        }
        await pause(lookEveryMs)
      }
    },
  }
}

function countOpen(): Map<string, number> {
  const counts = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return counts
}
