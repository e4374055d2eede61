/**
 * The roles, said once: the built-in ones, what each of them opens, and how an application adds its own. A role opens
 * exactly what names it, so one that no one names any more opens nothing.
 */

/** From the least to the most powerful. */
export const builtInRoles = ['user', 'viewer', 'operator', 'admin'] as const
export type BuiltInRole = (typeof builtInRoles)[number]

/** A built-in role, or one of the application's own. */
export type Role = string

/** What an account has when nothing else is said. */
export const defaultRoles = ['user'] as const satisfies readonly BuiltInRole[]

/** What the first administrator has. */
export const firstAdministratorRoles = ['user', 'admin'] as const satisfies readonly BuiltInRole[]

/** They change accounts, settings and workers, and are served under maintenance. */
export const administrators = ['admin'] as const satisfies readonly BuiltInRole[]

/** They act on jobs. */
export const operators = ['operator', 'admin'] as const satisfies readonly BuiltInRole[]

/** They see the jobs of everybody, and the schedules. */
export const viewers = ['viewer', 'operator', 'admin'] as const satisfies readonly BuiltInRole[]

/** Has the user one of these roles? */
export function hasRole(user: { readonly roles: readonly string[] }, wanted: readonly string[]): boolean {
  return user.roles.some((role) => wanted.includes(role))
}

/** Can this text be the name of a role? It goes into headers and lists with commas between. */
export function isRoleName(text: string): boolean {
  return /^[A-Za-z][\w.:-]{0,63}$/.test(text)
}

/**
 * Every role there is, with those of an application. Throws a `TypeError` that names what can't be one: a role of our
 * own must not mean something else in an application.
 */
export function rolesWith(extra: readonly string[] = []): readonly Role[] {
  for (const role of extra) {
    if (!isRoleName(role)) {
      throw new TypeError(
        `${JSON.stringify(role)} can't be a role: use a letter, then letters, digits, '_', '.', ':' and '-', 64 at most`,
      )
    }
    if ((builtInRoles as readonly string[]).includes(role)) {
      throw new TypeError(`the role ${JSON.stringify(role)} is built in: leave it out`)
    }
  }
  const twice = extra.find((role, index) => extra.indexOf(role) !== index)
  if (twice !== undefined) throw new TypeError(`the role ${JSON.stringify(twice)} is named twice`)
  return Object.freeze([...builtInRoles, ...extra])
}
