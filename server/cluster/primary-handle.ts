import type { Worker } from 'node:cluster'
import { parsePrimaryMessage, type WorkerMessage } from './messages.ts'

/** The primary as a worker sees it. */
export interface PrimaryHandle {
  ready(port: number | null): void
  /** Resolves when the reason is on its way, so that the process may end. */
  failed(reason: string): Promise<void>
  /** The primary wants this worker to end within `graceMs`. May be called again, with less time. */
  onStop(listener: (graceMs: number) => void): void
  /** The primary has vanished: nobody will ever stop this worker, and its listening socket is gone. */
  onGone(listener: () => void): void
}

export function connectToPrimary(worker: Worker): PrimaryHandle {
  function send(message: WorkerMessage): Promise<void> {
    // A channel that is closed is reported to `onGone`.
    return new Promise((resolve) => {
      if (worker.isConnected()) worker.process.send(message, () => resolve())
      else resolve()
    })
  }

  return {
    ready: (port) => void send({ type: 'ready', port }),
    failed: (reason) => send({ type: 'failed', reason }),
    onStop(listener) {
      worker.on('message', (value: unknown) => {
        const message = parsePrimaryMessage(value)
        if (message) listener(message.graceMs)
      })
    },
    onGone: (listener) => void worker.on('disconnect', listener),
  }
}
