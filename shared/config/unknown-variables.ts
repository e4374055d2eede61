/**
 * Variables that someone set for us and that we would silently ignore: a misspelt name must not leave a limit
 * or a timeout at its default. An environment holds many names of other programs, so only two kinds are refused:
 * those that begin like ours, and those that are nearly one of ours.
 */

const families = /^(SESSION|REMEMBER|LIMIT|METRICS|EXPOSE|CORS|ADMIN|LOCKSTEP)_/

/** Names that resemble ours and belong to others: desktops, shells, tracing. */
const foreign = new Set([
  'SESSION_MANAGER',
  'SESSION_KEY',
  'SESSION_DBUS_PID',
  'TRACE',
  'RELEASE',
  'PLACE',
  'HOSTNAME',
])

/** Kubernetes and Docker links tell every container the addresses of services, by the service's name. */
const serviceLink = /_SERVICE_(HOST|PORT)(_\w+)?$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$/

/** Each name in `names` that was probably meant for us, with the known name nearest to it, if any is near. */
export function misspelt(
  names: readonly string[],
  known: ReadonlySet<string>,
): { name: string; nearest: string | null }[] {
  return names
    .filter((name) => !known.has(name) && !foreign.has(name) && !serviceLink.test(name))
    .filter((name) => /^[A-Z][A-Z0-9_]*$/.test(name))
    .map((name) => ({ name, ...nearestOf(name, known) }))
    .filter(({ name, near }) => near || families.test(name))
    .map(({ name, nearest }) => ({ name, nearest }))
}

function nearestOf(name: string, known: ReadonlySet<string>): { nearest: string | null; near: boolean } {
  let best: { nearest: string | null; distance: number } = { nearest: null, distance: Infinity }
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) > 6) continue
    const distance = editDistance(name, candidate)
    if (distance < best.distance) best = { nearest: candidate, distance }
  }
  const { nearest, distance } = best
  // Two edits turn a short word into many others (LEASE, RELEASE), so a short name is only near at one, and the
  // shortest (HOST) only with its own letters.
  const near =
    nearest !== null &&
    distance <= (nearest.length >= 7 ? 2 : nearest.length >= 5 || sameLetters(name, nearest) ? 1 : 0)
  return { nearest: distance <= Math.max(2, name.length / 2) ? nearest : null, near }
}

function sameLetters(a: string, b: string): boolean {
  return [...a].toSorted().join('') === [...b].toSorted().join('')
}

/** Letters to insert, delete, replace or swap with their neighbour to make `a` of `b`. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1]
      let cost = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1))
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      if (swapped) cost = Math.min(cost, beforeLast[column - 2]! + 1)
      current.push(cost)
    }
    beforeLast = last
    last = current
  }
  return last[b.length]!
}
