/** One of the processes that check limits at the same time. Argument: URL of Redis. Answers each order with a count. */
import type { Redis } from 'ioredis'
import { openRedis } from '../../shared/kernel/redis/connections.ts'
import { contenders } from './contenders.js'

export interface Order {
  readonly contender: string
  readonly load: Load
  readonly limit: number
  readonly windowMs: number
  readonly forMs: number
}

/** How the keys are chosen: always the same, a few much more often than others, or all alike. */
export type Load = 'hot key' | 'Zipf' | 'uniform'

export interface Count {
  readonly checks: number
  readonly admitted: number
  /** Commands that were sent to Redis. */
  readonly trips: number
}

/** Checks that wait for Redis at a time. */
const lanes = 64
/** Answers without a promise before the event loop gets its turn, as between the requests of a server. */
const turn = 100
const keyCount = 2_000

const url = process.argv[2] ?? ''
const redis = openRedis({ kind: 'single', url }, 'commands')
const subscriber = openRedis({ kind: 'single', url }, 'subscriber')
let trips = 0
countCommands(redis)

process.on('message', (order: Order) => void measure(order).then((count) => process.send?.(count)))
await redis.connect()
process.send?.('ready')

async function measure({ contender, load, limit, windowMs, forMs }: Order): Promise<Count> {
  const open = contenders[contender]
  if (!open) throw new Error(`there is no contender ${contender}`)
  const check = await open({ redis, subscriber, limit, windowMs })
  const nextKey = keys(load)
  const end = performance.now() + forMs
  let checks = 0
  let admitted = 0
  trips = 0

  async function lane(): Promise<void> {
    for (let i = 1; performance.now() < end; i += 1) {
      const answer = check(nextKey())
      const allowed = answer instanceof Promise ? await answer : answer
      checks += 1
      if (allowed) admitted += 1
      if (i % turn === 0) await new Promise<void>((resolve) => void setImmediate(resolve))
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return { checks, admitted, trips }
}

function keys(load: Load): () => string {
  const names = Array.from({ length: keyCount }, (_, i) => `user:${i}`)
  const pick = {
    'hot key': () => 0,
    Zipf: () => Math.min(keyCount - 1, Math.floor(keyCount ** Math.random()) - 1),
    uniform: () => Math.floor(Math.random() * keyCount),
  }[load]
  return () => names[pick()] ?? ''
}

function countCommands(client: Redis): void {
  const send = client.sendCommand.bind(client)
  client.sendCommand = (...args: Parameters<typeof send>) => {
    trips += 1
    return send(...args)
  }
}
