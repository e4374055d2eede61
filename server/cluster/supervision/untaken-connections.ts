import type { Worker } from 'node:cluster'

/** The primary's own end of a connection, until the worker has answered that it took it up. */
interface Handed {
  readonly seq: unknown
  readonly handle: { close(): void }
}

/**
 * Closes, when the worker has ended, the connection that it was handed and never took up: node:cluster forgets it, and
 * its client would wait for as long as the primary runs. Its requests may have been sent, so no one else gets it.
 *
 * Node has no public word for it. What is looked at here is how the primary and a worker of node:cluster talk, alike in
 * Node 20 to 24: `newconn` with a number and a handle, one at a time for each port, and an answer with that number in
 * `ack`. Where that is different nothing is found, and nothing closed.
 */
export function closeUntaken({ process: channel }: Worker): void {
  const handed = new Map<unknown, Handed>()
  const send = channel.send.bind(channel) as (...args: unknown[]) => boolean

  channel.send = (...args: unknown[]) => {
    const [message, handle] = args as [{ act?: unknown; key?: unknown; seq?: unknown } | null, unknown]
    if (message?.act === 'newconn' && isHandle(handle)) handed.set(message.key, { seq: message.seq, handle })
    return send(...args)
  }
  channel.on('internalMessage', ({ ack }: { ack?: unknown }) => {
    if (ack === undefined) return
    for (const [key, { seq }] of handed) if (seq === ack) handed.delete(key)
  })
  // All of its answers have been heard by then.
  channel.once('close', () => {
    for (const { handle } of handed.values()) handle.close()
  })
}

function isHandle(value: unknown): value is Handed['handle'] {
  return typeof (value as { close?: unknown } | null | undefined)?.close === 'function'
}
