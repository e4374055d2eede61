/** Requests one after the other, to see whether any is lost while the server changes under them. */
import { Agent } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { send } from './http.ts'

export interface Load {
  /** How many were answered with 200 so far. */
  answered(): number
  /** Ends it, when the requests on their way are answered. Gives what went wrong with each that failed. */
  stop(): Promise<string[]>
}

interface Pace {
  readonly clients: number
  /** Between two requests of a client. */
  readonly pauseMs: number
  readonly timeoutMs?: number
}

/** A load that takes its place beside the servers of the test, not all of the machine. */
export function steadyLoad(url: string): Load {
  return startLoad(url, { clients: 6, pauseMs: 4 })
}

/** As many requests as the server takes. */
export function flood(url: string, clients = 8): Load {
  return startLoad(url, { clients, pauseMs: 0, timeoutMs: 20_000 })
}

/** Half of the clients keep their connection open, the others take a new one for each request. */
function startLoad(url: string, { clients, pauseMs, ...options }: Pace): Load {
  const failures: string[] = []
  let answered = 0
  let stopping = false

  async function client(keepAlive: boolean): Promise<void> {
    const agent = new Agent({ keepAlive, maxSockets: 1 })
    while (!stopping) {
      try {
        const { status, body } = await send(url, { agent, ...options })
        if (status === 200) answered += 1
        else failures.push(`${status} ${body}`)
      } catch (cause) {
        failures.push(String(cause))
      }
      if (pauseMs > 0) await pause(pauseMs)
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
