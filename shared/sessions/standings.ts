/**
 * Whether work that goes on without a request may go on: asked by the public id of a session, or by the generation of a
 * user, so that neither a token nor its hash has to be kept with the work.
 */
export interface Standings {
  /** The generation of its user that the token's session is valid in; null when it proves nothing. Opaque to callers. */
  generationOf(token: string): Promise<string | null>
  /** Asks Redis for the session; null when it has ended. Does not count as use. */
  peekSession(
    userId: string,
    sessionId: string,
  ): Promise<{ readonly hash: string; readonly leftMs: number } | null>
  /** Whether nothing has ended all sessions of the user since `generationOf` gave this. */
  generationStands(userId: string, generation: string): Promise<boolean>
}
