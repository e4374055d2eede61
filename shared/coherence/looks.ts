import type { Member, Stamp } from './coherence.ts'

/** What one look at the acknowledgements found of the members that were asked about. */
export type Look = Stamp & { readonly members: readonly Member[] }

/** As many as one script takes; those left out are still missing, and asked about by the next look. */
const mostAtOnce = 1_000

/**
 * One look at a time for everybody in this process who waits for acknowledgements: who asks during one takes part in the
 * next, which is sent after they asked. So a busy process looks no more often than a quiet one.
 */
export function shareLooks(acks: (memberIds: readonly string[]) => Promise<Look>) {
  let current: Promise<unknown> | null = null
  let next: { ids: Set<string>; look: Promise<Look> } | null = null

  function start(ids: ReadonlySet<string>): Promise<Look> {
    const look = acks([...ids].slice(0, mostAtOnce))
    current = look.catch(() => {}).then(() => (current = null))
    return look
  }

  return function look(memberIds: readonly string[]): Promise<Look> {
    if (current === null) return start(new Set(memberIds))
    if (next === null) {
      const ids = new Set<string>()
      const look = current.then(() => {
        next = null
        return start(ids)
      })
      next = { ids, look }
    }
    for (const id of memberIds) next.ids.add(id)
    return next.look
  }
}
