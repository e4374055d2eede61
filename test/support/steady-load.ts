/** Requests without a pause, to see whether any is lost while the server changes under them. */
import { Agent } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { send } from './http.ts'

export interface SteadyLoad {
  /** How many were answered with 200 so far. */
  answered(): number
  /** Ends it, when the requests on their way are answered. Gives what went wrong with each that failed. */
  stop(): Promise<string[]>
}

/** Half of the clients keep their connection open, the others take a new one for each request. */
export function startLoad(url: string, clients = 6): SteadyLoad {
  const failures: string[] = []
  let answered = 0
  let stopping = false

  async function client(keepAlive: boolean): Promise<void> {
    const agent = new Agent({ keepAlive, maxSockets: 1 })
    while (!stopping) {
      try {
        const { status, body } = await send(url, { agent })
        if (status === 200) answered += 1
        else failures.push(`${status} ${body}`)
      } catch (cause) {
        failures.push(String(cause))
      }
      // So that the load takes its place beside the servers of the test, not all of the machine.
      await pause(4)
    }
    agent.destroy()
  }

  const running = Promise.all(Array.from({ length: clients }, (_, index) => client(index % 2 === 0)))
  return {
    answered: () => answered,
    async stop() {
      stopping = true
      await running
      return failures
    },
  }
}
