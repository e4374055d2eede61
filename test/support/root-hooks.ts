import { livingChildren } from './children.ts'
import { eventually } from './eventually.ts'

export const mochaHooks = {
  /** No process that the support code started may outlive the run. */
  async afterAll() {
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
