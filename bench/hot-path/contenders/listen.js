import { createServer } from 'node:http'

/**
 * What the benchmark tells a contender: where its Redis is, and the JSON that every contender answers.
 *
 * @returns {{ redisUrl: string, answer: { user: object, session: object } }}
 */
export function readTask() {
  return JSON.parse(process.env.BENCH_TASK ?? '')
}

/**
 * Serves, and tells the benchmark where.
 *
 * @param {import('node:http').RequestListener} handler
 */
export function listen(handler) {
  const server = createServer(handler)
  server.listen(0, '127.0.0.1', () => tellPort(server.address()))
}

/** @param {unknown} address of the server */
export function tellPort(address) {
  process.send?.(/** @type {import('node:net').AddressInfo} */ (address).port)
}
