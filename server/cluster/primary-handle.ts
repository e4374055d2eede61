import type { Worker } from 'node:cluster'
import { parsePrimaryMessage, type WorkerMessage } from './messages.ts'

/** The primary as a worker sees it. */
export interface PrimaryHandle {
  ready(port: number | null): void
  /** Resolves when the reason is on its way, so that the process may end. */
  failed(reason: string): Promise<void>
}

export interface PrimaryListeners {
  /** The primary wants this worker to end within `graceMs`. May be called again, with less time. */
  onStop(graceMs: number): void
  /** The primary has vanished: nobody will ever stop this worker, and its sockets are gone. */
  onGone(): void
}

export function listenToPrimary(worker: Worker, { onStop, onGone }: PrimaryListeners): PrimaryHandle {
  worker.on('message', (value: unknown) => {
    const message = parsePrimaryMessage(value)
    if (message) onStop(message.graceMs)
  })
  worker.on('disconnect', onGone)

  function send(message: WorkerMessage): Promise<void> {
    // A channel that is closed is reported by `onGone`.
    return new Promise((resolve) => {
      if (worker.isConnected()) worker.process.send(message, () => resolve())
      else resolve()
    })
  }

  return {
    ready: (port) => void send({ type: 'ready', port }),
    failed: (reason) => send({ type: 'failed', reason }),
  }
}
