/** A page of the devices of a user: this one first, then those that were used last. */
import type { SessionInfo, Sessions } from '../../../../shared/sessions/index.ts'

export interface DevicePage {
  readonly devices: readonly SessionInfo[]
  /** How many come before the next page; null when this is the last one. */
  readonly next: number | null
}

export const devicesOnPage = 50

export async function readDevices(
  sessions: Pick<Sessions, 'list'>,
  { userId, current, skip }: { userId: string; current: SessionInfo; skip: number },
): Promise<DevicePage> {
  const found = await sessions.list(userId, { most: devicesOnPage, skip })
  const end = skip + found.length
  // Redis forgets entries of sessions that have ended when it lists them, so a page that is not full may not be the last.
  const more = found.length > 0 ? await sessions.list(userId, { most: 1, skip: end }) : []
  const others = found
    .filter(({ id }) => id !== current.id)
    .toSorted((one, other) => other.lastSeenAt - one.lastSeenAt)
  const own = found.find(({ id }) => id === current.id) ?? current
  return { devices: skip === 0 ? [own, ...others] : others, next: more.length > 0 ? end : null }
}
