import { createHash } from 'node:crypto'
import { Agent, request } from 'node:http'

export interface WorkerConnection {
  /** Which worker is at its other end. */
  readonly slot: number
  /** The status of the answer, and how long it took until it was complete. */
  send(method: string, path: string, token: string): Promise<{ status: number; ms: number }>
  close(): void
}

/** One keep-alive connection to each of the workers, which tell who they are. */
export async function connectToEveryWorker(url: string, workers: number): Promise<WorkerConnection[]> {
  const found = new Map<number, WorkerConnection>()
  for (let attempt = 0; found.size < workers; attempt += 1) {
    if (attempt > workers * 20) throw new Error(`only ${found.size} of ${workers} workers answer`)
    const connection = await connect(url)
    if (found.has(connection.slot)) connection.close()
    else found.set(connection.slot, connection)
  }
  return [...found.values()].sort((a, b) => a.slot - b.slot)
}

async function connect(url: string): Promise<WorkerConnection> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const first = await exchange(agent, url, 'GET', '/livez', null)
  return {
    // Its id is the kind of worker and the slot: `web-2`.
    slot: Number(/\d+$/.exec(first.worker)?.[0]),
    send: (method, path, token) => exchange(agent, url, method, path, token),
    close: () => agent.destroy(),
  }
}

function exchange(
  agent: Agent,
  url: string,
  method: string,
  path: string,
  token: string | null,
): Promise<{ status: number; ms: number; worker: string }> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now()
    const headers =
      token === null ? {} : { authorization: `Bearer ${token}`, 'x-forwarded-for': addressOf(token) }
    const outgoing = request(url + path, { agent, method, headers }, (answer) => {
      answer.resume()
      answer.once('error', reject)
      answer.once('end', () => {
        resolve({
          status: answer.statusCode ?? 0,
          ms: performance.now() - startedAt,
          worker: String(answer.headers['x-worker']),
        })
      })
    })
    outgoing.once('error', reject)
    outgoing.end()
  })
}

/**
 * Each session has an address of its own, as those of different people have: refused tokens are charged to their
 * address, and one that asks every worker with hundreds of ended sessions would reach that limit.
 */
function addressOf(token: string): string {
  return `10.${[...createHash('sha256').update(token).digest().subarray(0, 3)].join('.')}`
}
