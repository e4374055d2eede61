import type { Command, ControlAnswer, ControlRequest, ControlResults } from './control-request.ts'
import { parsePrimaryMessage, type Heartbeat, type PrimaryMessage, type WorkerMessage } from './messages.ts'

/** The primary as a worker sees it. */
export interface PrimaryHandle {
  /** This worker can do its work; see the message of that name. */
  ready(facts: { port: number | null; memberId?: string | null }): void
  /** Resolves when the reason is on its way, so that the process may end. */
  failed(reason: string): Promise<void>
  /** A ready worker that does not tell this for some seconds is taken for hung, and killed. */
  heartbeat(vitals: Heartbeat): void
  /**
   * To be called when everything has stopped, before the process ends. A connection that the primary had handed
   * over a moment before this worker stopped listening goes back to it meanwhile; an exit would lose it.
   */
  leave(): Promise<void>
  /** Asks for something to be done or told. Rejects with `PrimarySilent` when there is no answer in time. */
  ask: AskPrimary
  /** Another worker of this host has certainly died. */
  onDeparted(listener: (worker: string) => void): void
  /** The server will stop soon: balancers are to send requests elsewhere, while everything is still served. */
  onStopAhead(listener: () => void): void
  /** The primary wants this worker to end within `graceMs`. May be called again, with less time. */
  onStop(listener: (graceMs: number) => void): void
  /** The primary has vanished: no one will ever stop this worker, and its listening socket is gone. */
  onGone(listener: () => void): void
}

export type AskPrimary = <C extends Command>(
  request: Extract<ControlRequest, { command: C }>,
) => Promise<ControlAnswer<ControlResults[C]>>

/** The primary does not answer. Whether it does what it was asked is not known. */
export class PrimarySilent extends Error {
  readonly status = 503
  readonly expose = true
  readonly retryAfterSeconds = 1

  constructor() {
    super('the primary process does not answer, please try again')
    this.name = 'PrimarySilent'
  }
}

const answerWithinMs = 3_000
const goodbyeWithinMs = 1_000

/** What a process that was forked with a channel knows of it: `process` itself. */
export type Channel = Pick<NodeJS.Process, 'connected' | 'send' | 'on'>

export function connectToPrimary(channel: Channel): PrimaryHandle {
  const asked = new Map<number, (answer: ControlAnswer<never>) => void>()
  let questions = 0

  function send(message: WorkerMessage): Promise<void> {
    // A channel that is closed is reported to `onGone`.
    return new Promise((resolve) => {
      if (channel.connected) channel.send?.(message, () => resolve())
      else resolve()
    })
  }

  function onMessage(listener: (message: PrimaryMessage) => void): void {
    channel.on('message', (value: unknown) => {
      const message = parsePrimaryMessage(value)
      if (message) listener(message)
    })
  }

  onMessage((message) => {
    if (message.type === 'answer') asked.get(message.id)?.(message.answer as ControlAnswer<never>)
  })

  return {
    ready: ({ port, memberId = null }) => void send({ type: 'ready', port, memberId }),
    failed: (reason) => send({ type: 'failed', reason }),
    heartbeat: (vitals) => void send({ type: 'heartbeat', ...vitals }),
    leave() {
      return new Promise((resolve) => {
        setTimeout(resolve, goodbyeWithinMs)
        onMessage(({ type }) => {
          if (type === 'goodbye') resolve()
        })
        channel.on('disconnect', () => resolve())
        if (channel.connected) void send({ type: 'leaving' })
        else resolve()
      })
    },
    ask(request) {
      const id = ++questions
      return new Promise<ControlAnswer<never>>((resolve, reject) => {
        const patience = setTimeout(() => reject(new PrimarySilent()), answerWithinMs)
        asked.set(id, (answer) => {
          clearTimeout(patience)
          resolve(answer)
        })
        void send({ type: 'ask', id, request })
      }).finally(() => asked.delete(id))
    },
    onDeparted: (listener) =>
      onMessage((message) => {
        if (message.type === 'departed') listener(message.worker)
      }),
    onStopAhead: (listener) =>
      onMessage(({ type }) => {
        if (type === 'stop-ahead') listener()
      }),
    onStop: (listener) =>
      onMessage((message) => {
        if (message.type === 'stop') listener(message.graceMs)
      }),
    onGone: (listener) => void channel.on('disconnect', listener),
  }
}
