import type { AppContext } from '../../../shared/app/context.ts'

/** Whom an open connection counts for: the user, or the address of who is not signed in. */
export function ownerOf({ state }: AppContext): string {
  return state.identity === null ? `ip:${state.clientIp ?? 'unknown'}` : `user:${state.identity.user.id}`
}
