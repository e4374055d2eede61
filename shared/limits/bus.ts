/**
 * How workers hear of resets and of changed limits. A message is announced when every worker that may act on what it
 * revokes has applied it, so "unblocked" is said only when it is true everywhere.
 */
import { randomBytes } from 'node:crypto'
import type { Redis } from 'ioredis'
import { Unavailable } from '../kernel/errors.ts'
import { limitKeys } from './keys.ts'
import { remaining, type Service } from '../kernel/lifecycle.ts'
import { withPatience } from './patience.ts'

export interface LimitBus {
  /** Resolves when all workers have applied the message; rejects with `Unavailable` when that can't be confirmed. */
  announce(message: string): Promise<void>
  /** The listener applies the message before it returns. */
  onMessage(listener: (message: string) => void): void
  /** Called when messages may have been missed. */
  onGap(listener: () => void): void
  /** Whether messages arrive: while not, nothing may be remembered that a message could revoke. */
  readonly live: boolean
}

/** A process that starts may share its CPU with many that do; nobody waits for it yet. */
const startPatienceMs = 5_000

/**
 * A bus on pub/sub. Redis says how many workers a message went to, and that many have to acknowledge it. A worker
 * whose subscription is down is not counted: it remembers nothing until it listens again (`live`). Needs a single
 * Redis or Sentinel; the nodes of a Cluster don't know each other's listeners.
 */
export function openLimitBus(options: {
  readonly redis: Redis
  /** Only for this bus. */
  readonly subscriber: Redis
  readonly prefix?: string
  readonly patienceMs?: number
}): LimitBus & Service {
  const { redis, subscriber, patienceMs = 1_000 } = options
  const id = randomBytes(9).toString('base64url')
  const { channel } = limitKeys(options.prefix)
  const acknowledgements = (worker: string) => `${channel}:${worker}`
  const listeners: ((message: string) => void)[] = []
  const gapListeners: (() => void)[] = []
  const waiting = new Map<string, (worker: string) => void>()
  let announced = 0
  let live = false
  let stopped = true

  async function listen(): Promise<void> {
    await subscriber.subscribe(channel, acknowledgements(id))
    live = !stopped
  }

  function missMessages(): void {
    if (!live) return
    live = false
    for (const listener of gapListeners) listener()
  }

  function receive(from: string, text: string): void {
    const parts = parseList(text)
    if (!parts) return
    if (from === channel) applyAndAcknowledge(parts)
    else acknowledged(parts)
  }

  function applyAndAcknowledge([messageId, sender, message]: readonly string[]): void {
    if (messageId === undefined || sender === undefined || message === undefined) return
    for (const listener of listeners) listener(message)
    // What gets lost here is reported to whoever announced, as not confirmed.
    redis.publish(acknowledgements(sender), JSON.stringify([messageId, id])).catch(() => {})
  }

  function acknowledged([messageId, worker]: readonly string[]): void {
    if (messageId !== undefined && worker !== undefined) waiting.get(messageId)?.(worker)
  }

  subscriber.on('message', receive)
  subscriber.on('close', missMessages)
  // The connection is back; it is known to listen only when Redis says so.
  subscriber.on('ready', () => {
    if (!stopped) listen().catch(() => {})
  })

  async function announce(message: string): Promise<void> {
    const messageId = `${id}.${(announced += 1)}`
    const confirmed = new Promise<void>((resolve, reject) => {
      const workers = new Set<string>()
      let expected = Infinity
      const check = () => workers.size >= expected && resolve()
      waiting.set(messageId, (worker) => {
        workers.add(worker)
        check()
      })
      redis.publish(channel, JSON.stringify([messageId, id, message])).then((receivers) => {
        expected = receivers
        check()
      }, reject)
    })
    try {
      await withPatience(confirmed, patienceMs, () => {})
    } catch (cause) {
      throw new Unavailable('redis', { cause })
    } finally {
      waiting.delete(messageId)
    }
  }

  return {
    announce,
    onMessage: (listener) => void listeners.push(listener),
    onGap: (listener) => void gapListeners.push(listener),
    get live() {
      return live
    },
    async start() {
      stopped = false
      await withPatience(listen(), startPatienceMs, () => {}).catch((cause: unknown) => {
        stopped = true
        throw new Unavailable('redis', { cause })
      })
    },
    async stop(deadline) {
      if (stopped) return
      stopped = true
      missMessages()
      if (subscriber.status !== 'ready') return
      const left = subscriber.unsubscribe(channel, acknowledgements(id))
      await withPatience(left, remaining(deadline), () => {}).catch(() => {})
    },
  }
}

/** A list of texts, or null when it is anything else: whatever was published there, it is not ours. */
function parseList(text: string): string[] | null {
  try {
    const list: unknown = JSON.parse(text)
    return Array.isArray(list) && list.every((part) => typeof part === 'string') ? (list as string[]) : null
  } catch {
    return null
  }
}
