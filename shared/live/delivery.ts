/**
 * What one stream or socket is sent, held back while it may not be delivered (session-watch.ts) and bounded when the
 * client does not keep up.
 *
 * `push` writes at once when that is allowed and nothing waits. Otherwise the event waits, and all deliveries that wait
 * are tried again every few milliseconds, by one timer of the process.
 */
export interface Wire {
  /** Sends it now. */
  write(frame: string): void
  /** Bytes that were written and that the client has not taken. */
  readonly waitingBytes: number
}

export interface Delivery {
  /** False when the client does not keep up: nothing is sent any more, and its owner ends it. */
  push(frame: string): boolean
  /** What waits is dropped. */
  end(): void
}

export interface Deliveries {
  open(options: { readonly wire: Wire; mayDeliver(): boolean; onSlow(): void }): Delivery
  stop(): void
}

const usualBounds = {
  /** What one client may leave waiting, held back or not taken. */
  waitingBytes: 1_048_576,
  /** How often those that are held back are tried again. */
  retryMs: 10,
}

export function createDeliveries(options: Partial<typeof usualBounds> = {}): Deliveries {
  const bounds = { ...usualBounds, ...options }
  const waiting = new Set<() => boolean>()
  let timer: NodeJS.Timeout | undefined

  function retry(): void {
    for (const flush of waiting) if (flush()) waiting.delete(flush)
    if (waiting.size > 0) return
    clearInterval(timer)
    timer = undefined
  }

  return {
    open({ wire, mayDeliver, onSlow }) {
      const held: string[] = []
      let heldBytes = 0
      let ended = false

      /** Whether nothing waits any more. */
      function flush(): boolean {
        while (held.length > 0 && !ended && mayDeliver()) {
          const frame = held.shift() as string
          heldBytes -= Buffer.byteLength(frame)
          wire.write(frame)
        }
        return held.length === 0 || ended
      }

      function end(): void {
        ended = true
        held.length = 0
        waiting.delete(flush)
      }

      return {
        push(frame) {
          if (ended) return false
          const bytes = Buffer.byteLength(frame)
          if (heldBytes + wire.waitingBytes + bytes > bounds.waitingBytes) {
            end()
            onSlow()
            return false
          }
          if (held.length === 0 && mayDeliver()) wire.write(frame)
          else {
            held.push(frame)
            heldBytes += bytes
            waiting.add(flush)
            timer ??= setInterval(retry, bounds.retryMs).unref()
          }
          return true
        },
        end,
      }
    },
    stop() {
      clearInterval(timer)
      waiting.clear()
    },
  }
}
