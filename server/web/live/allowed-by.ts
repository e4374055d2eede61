import { hasRole } from '../../../shared/accounts/roles.ts'
import type { Access } from '../../../shared/app/route.ts'
import type { Identity } from '../../../shared/sessions/index.ts'

/** Whether the access rule lets this user in. */
export function allowedBy(access: Access): (identity: Identity) => boolean {
  return ({ user }) => typeof access !== 'object' || hasRole(user, access.roles)
}
