/**
 * On whose behalf a job is done. It is kept with the job, where others may see it, so it holds nothing that opens
 * anything: the public id of a session, or the generation of a user's sessions.
 */
export type Behalf =
  | { readonly kind: 'session'; readonly user: string; readonly session: string }
  /** Until all sessions of the user are ended at once; `generation` is from `generationOf` of the sessions. */
  | { readonly kind: 'user'; readonly user: string; readonly generation: string }

/** Null when it is none: what Redis returned may be anything. */
export function parseBehalf(value: unknown): Behalf | null {
  if (typeof value !== 'object' || value === null) return null
  const { kind, user, session, generation } = value as Record<string, unknown>
  if (typeof user !== 'string') return null
  if (kind === 'session' && typeof session === 'string') return { kind, user, session }
  if (kind === 'user' && typeof generation === 'string') return { kind, user, generation }
  return null
}

/** What tells one from another. */
export function behalfKey(behalf: Behalf): string {
  return behalf.kind === 'session' ? `session ${behalf.session}` : `user ${behalf.user} ${behalf.generation}`
}

export const endedBehalf: Readonly<Record<Behalf['kind'], string>> = {
  session: 'the session has ended',
  user: 'all sessions of the user were ended',
}

/** Watches over those on whose behalf jobs are done in this process. */
export interface BehalfWatch {
  /** `ended` is called once when it is over, or was over before. */
  watch(behalf: Behalf, ended: () => void): BehalfWatched
}

export interface BehalfWatched {
  /** Resolves when Redis has said for the first time whether it stands, and from then on its end is noticed. */
  readonly known: Promise<void>
  release(): void
}
