/**
 * Nothing is closed to root, but root can become somebody else for a moment. Anybody else stays who they are: then the
 * directory has to be closed to its own user, by `closedMode`.
 */
const isRoot = process.geteuid?.() === 0
const nobody = 65_534

/** The mode of a directory that `asAnotherUser` can't look into. */
export const closedMode = isRoot ? 0o700 : 0o000
export const canBecomeAnother = isRoot

/** Does the work as a user to whom what is ours is closed. The whole process is that user until it has ended. */
export async function asAnotherUser<T>(work: () => Promise<T>): Promise<T> {
  if (!isRoot) return work()
  process.seteuid?.(nobody)
  try {
    return await work()
  } finally {
    process.seteuid?.(0)
  }
}
