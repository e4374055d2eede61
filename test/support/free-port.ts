import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Systems take the ports of outgoing connections, and those of servers that ask for any, from 32768 on. One from there
 * would often be taken again before the program that it is for listens.
 */
const lowest = 20_000
const highest = 32_767

/** No two programs of this process are given the same. */
const given = new Set<number>()

/** A port of 127.0.0.1 that nobody listens on, for a program that cannot pick one by itself. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(lowest, highest + 1)
    if (given.has(port) || !(await isFree(port))) continue
    given.add(port)
    return port
  }
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer().listen(port, '127.0.0.1')
  try {
    await once(probe, 'listening')
  } catch {
    return false
  }
  probe.close()
  await once(probe, 'close')
  return true
}
