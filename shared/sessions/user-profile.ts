/**
 * What the application keeps with each session's user, to have it at hand on every request:
 * `declare module 'lockstep/sessions' { interface UserProfile { readonly tier: string } }` types
 * `ctx.auth.identity.user.profile`.
 */
// oxlint-disable-next-line typescript/no-empty-object-type -- the application adds its members
export interface UserProfile {}
