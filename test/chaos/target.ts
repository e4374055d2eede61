/** A cluster as the chaos test sees it. */
export interface ChaosTarget {
  /**
   * Where to send requests so that each worker gets some: an address per worker, or one address several times
   * when the cluster itself spreads connections.
   */
  doors(): readonly Door[]
  /** The workers that are alive. */
  pids(): readonly number[]
  /** Someone who may sign in, and is nobody else's until handed back; null when all are taken. */
  takeUser(): Credentials | null
  handBack(user: Credentials): void
  stop(): Promise<void>
}

export interface Door {
  readonly name: string
  readonly port: number
}

export interface Credentials {
  readonly email: string
  readonly password: string
}
