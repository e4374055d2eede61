import type { Environment } from '../config/environment.ts'
import { isKeySpace } from './deployment-keys.ts'

/** How the primary passes the key space on to the workers that it forks, which then need not find it again. */
export const keySpaceVariable = 'LOCKSTEP_KEY_SPACE'

/** Throws when no primary of ours said: another deployment's keys would be worse than none. */
export function assignedSpace(env: Environment): string {
  const space = env[keySpaceVariable]
  if (space === undefined || !isKeySpace(space))
    throw new TypeError(`${keySpaceVariable} is not set by a primary`)
  return space
}
