/** As many requests as the server takes, to see whether any is lost while the server changes under them. */
import { Agent } from 'node:http'
import { send } from './http.ts'

export interface Flood {
  answered(): number
  /** Ends it when the requests on their way are answered. Gives what went wrong with each that failed. */
  stop(): Promise<string[]>
}

/** Half of the clients keep their connection open, the others take a new one for each request. */
export function flood(url: string, clients = 8): Flood {
  const failures: string[] = []
  let answered = 0
  let stopping = false

  async function client(keepAlive: boolean): Promise<void> {
    const agent = new Agent({ keepAlive, maxSockets: 1 })
    while (!stopping) {
      try {
        const { status, body } = await send(url, { agent, timeoutMs: 20_000 })
        if (status === 200) answered += 1
        else failures.push(`${status} ${body}`)
      } catch (cause) {
        failures.push(String(cause))
      }
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
