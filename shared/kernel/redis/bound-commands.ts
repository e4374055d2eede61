/**
 * Our own bound round each command, the same for every kind of connection.
 *
 * While there is no connection, commands wait here and not in the queues of ioredis: those of its Cluster client, and
 * of a client that looks for a Sentinel, know no bound, and run what they hold whenever there is a connection again.
 * Here a command waits at most its time, is rejected then, and never runs. A command that was on its way when the
 * connection broke is rejected at once: its sender decides whether doing it twice is harmless.
 */
import type { Command, Redis } from 'ioredis'

/** Commands between the same brackets, of which either all or none may be written. */
type Batch = object

type Send = (command: Command, batch?: Batch, node?: unknown) => unknown

interface Waiting {
  readonly command: Command
  readonly batch: Batch | undefined
  readonly node: unknown
}

/** Attempts to connect that may fail before those who wait are told. */
const patientAttempts = 5

const disconnected = new Set(['wait', 'connecting', 'close', 'reconnecting', 'disconnecting'])

export function boundCommands(client: Redis, timeoutMs: number): void {
  const send = client.sendCommand.bind(client) as Send
  const waiting = new Set<Waiting>()
  const abandoned = new WeakSet<Batch>()
  let failedAttempts = 0

  /** A batch that began too late is given up whole: the rest of it would be answered in the wrong order. */
  function isGivenUp(command: Command, batch: Batch | undefined): boolean {
    if (batch && command.isSettled) abandoned.add(batch)
    if (batch && abandoned.has(batch) && !command.isSettled) command.reject(new Error('Command timed out'))
    return command.isSettled || (batch !== undefined && abandoned.has(batch))
  }

  function wait(entry: Waiting): void {
    waiting.add(entry)
    entry.command.promise.catch(() => {
      waiting.delete(entry)
      if (entry.batch) abandoned.add(entry.batch)
    })
  }

  function release(): void {
    failedAttempts = 0
    const released = [...waiting]
    waiting.clear()
    for (const { command, batch, node } of released) sendBounded(command, batch, node)
  }

  function rejectWaiting(): void {
    for (const { command } of waiting) command.reject(new Error('Redis can not be reached'))
    waiting.clear()
  }

  function sendBounded(command: Command, batch?: Batch, node?: unknown): Promise<unknown> {
    if (isGivenUp(command, batch)) return command.promise
    command.setTimeout(timeoutMs)
    // ioredis subscribes and selects again by itself and does not look at what comes of it.
    if (/^(.?subscribe|select)$/.test(command.name)) command.promise.catch(() => {})
    if (!disconnected.has(client.status) || command.name === 'quit') {
      send(command, batch, node)
      return command.promise
    }
    if (client.status === 'wait') client.connect().catch(() => {})
    wait({ command, batch, node })
    return command.promise
  }

  client.sendCommand = sendBounded as Redis['sendCommand']
  client.on('ready', release)
  client.on('end', rejectWaiting)
  client.on('close', () => {
    rejectSent(client)
    failedAttempts += 1
    if (failedAttempts % patientAttempts === 0) rejectWaiting()
  })
}

/**
 * Rejects what was written to the connection that has just closed. ioredis forgets it (or sends it again) only after
 * the next one is made, and reports it to no one. The Cluster client has no queue of its own, and its nodes reject theirs.
 */
function rejectSent(client: Redis): void {
  const { flushQueue, commandQueue } = client as unknown as {
    flushQueue?(cause: Error, options: { offlineQueue: boolean }): void
    commandQueue?: unknown
  }
  if (commandQueue === undefined) return
  flushQueue?.call(client, new Error('The connection to Redis broke before it answered'), {
    offlineQueue: false,
  })
}
