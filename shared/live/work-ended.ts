/** Why work that a signal belongs to should end. */
export type WorkEndReason =
  'session-ended' | 'access-lost' | 'client-gone' | 'worker-stopping' | 'too-slow' | 'ended'

const sentences: Record<WorkEndReason, string> = {
  'session-ended': 'the session has ended',
  'access-lost': 'the user may not do this any more',
  'client-gone': 'the client has gone',
  'worker-stopping': 'the worker stops',
  'too-slow': 'the client does not keep up',
  ended: 'it is done',
}

/** The `reason` of such a signal; what waits with the signal (fetch, timers) rejects with it. */
export class WorkEnded extends Error {
  override readonly name = 'AbortError'
  readonly reason: WorkEndReason

  constructor(reason: WorkEndReason) {
    super(sentences[reason])
    this.reason = reason
  }
}
