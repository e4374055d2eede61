import { livingChildren } from './children.ts'
import { eventually } from './eventually.ts'

/** What a run may need to let go of its last connection; then it was forgotten. */
const letGoMs = 5_000

export const mochaHooks = {
  /** No process, connection or timer of a test may outlive the run. */
  async afterAll() {
    endIfSomethingStaysOpen()
    try {
      await eventually(() => {
        const names = [...livingChildren()].map(([pid, description]) => `${description} (pid ${pid})`)
        if (names.length > 0) throw new Error(`still alive at the end of the run: ${names.join(', ')}`)
      }, 2_000)
    } finally {
      for (const pid of livingChildren().keys()) process.kill(pid, 'SIGKILL')
    }
  },
}

/** Node ends by itself when nothing is open; this timer does not count, so that it only fires when something is. */
function endIfSomethingStaysOpen(): void {
  setTimeout(() => {
    const open = process.getActiveResourcesInfo().join(', ')
    console.error(`The tests are over, but something that they opened is not closed: ${open}`)
    // Mocha sets its own code when the process exits; listeners run in order, so this one has the last word.
    process.on('exit', () => (process.exitCode = 1))
    process.exit()
  }, letGoMs).unref()
}
