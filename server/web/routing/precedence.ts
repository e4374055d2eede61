/**
 * Which of several routes answers a path. The more specific one does, whatever the order in which they were named: the
 * segments are compared from the left, and a fixed one comes before a parameter.
 *
 * The application must not depend on that order by accident. Its `/:code` may stand beside our `/sign-in`, which stays
 * ours. Its `/admin/queues/new` would take a path away from our `/admin/queues/:name`, and of its own `/:a/new` and
 * `/old/:b` neither is more specific at `/old/new`: such routes are refused.
 */
import type { Route } from '../../../shared/app/route.ts'

/** Routes in the order in which a request is compared with them. */
export function bySpecificity(routes: readonly Route[]): Route[] {
  return routes
    .map((route) => ({ route, segments: segmentsOf(route.path) }))
    .sort((one, other) => compare(one.segments, other.segments))
    .map(({ route }) => route)
}

/** Throws, by their names, when two routes could answer one request and no one decided which. */
export function refuseShadows(routes: readonly Route[], application: readonly Route[]): void {
  const problems = shadowsAmong(routes, application)
  if (problems.length > 0) throw new TypeError(problems.join('\n'))
}

/** Each pair of routes that could answer one request while no one decided which of them does. */
export function shadowsAmong(routes: readonly Route[], application: readonly Route[]): string[] {
  const own = new Set(application)
  const name = (route: Route) =>
    `${own.has(route) ? "the application's route " : ''}${route.method} ${route.path}`
  const segments = new Map(routes.map((route) => [route, segmentsOf(route.path)]))

  function conflict(earlier: Route, later: Route): string | null {
    if (earlier.method !== later.method) return null
    const relation = relate(segments.get(earlier) ?? [], segments.get(later) ?? [])
    if (relation === 'apart') return null
    if (relation === 'same') return `${name(later)} is registered twice: ${name(earlier)}`
    if (!own.has(earlier) && !own.has(later)) return null
    if (relation === 'ambiguous') {
      return `${name(later)} and ${name(earlier)} could answer the same path: rename one`
    }
    const [special, general] = relation === 'narrower' ? [earlier, later] : [later, earlier]
    if (!own.has(special) || own.has(general)) return null
    return `${name(special)} would shadow the server's ${name(general)}: rename it`
  }

  // Of the server's own routes only those of one shape contradict each other, and there are hundreds of them: each is
  // compared with the application's, and with those of its shape.
  const before: Route[] = []
  const ownBefore: Route[] = []
  const shapes = new Map<string, Route[]>()
  const problems: (string | null)[] = []
  for (const later of routes) {
    const shape = shapeOf(later)
    const alike = shapes.get(shape) ?? []
    const rivals = own.has(later) ? before : [...ownBefore, ...alike.filter((route) => !own.has(route))]
    for (const earlier of rivals) problems.push(conflict(earlier, later))
    before.push(later)
    if (own.has(later)) ownBefore.push(later)
    shapes.set(shape, [...alike, later])
  }
  return problems.filter((problem) => problem !== null)
}

/** The same for routes that answer the same paths: `GET /jobs/:` for `/jobs/:name` and `/jobs/:id`. */
function shapeOf({ method, path }: Route): string {
  const segments = segmentsOf(path).map((segment) => (isParameter(segment) ? ':' : segment))
  const rest = segments.findIndex(isRest)
  return `${method} /${(rest === -1 ? segments : [...segments.slice(0, rest), '*']).join('/')}`
}

/** `narrower`: each path of the one is also a path of the other. `ambiguous`: some are, and others on both sides are not. */
type Relation = 'apart' | 'same' | 'narrower' | 'wider' | 'ambiguous'

function relate(one: readonly string[], other: readonly string[]): Relation {
  let narrower = false
  let wider = false
  for (let index = 0; index < Math.max(one.length, other.length); index++) {
    const [segment, facing] = [one[index], other[index]]
    if (segment === undefined || facing === undefined) return 'apart'
    // A star takes all that follows, so what follows there can't tell them apart any more.
    const stars = Number(isRest(segment)) - Number(isRest(facing))
    if (isRest(segment) || isRest(facing)) return relationOf(narrower || stars < 0, wider || stars > 0)
    if (isParameter(segment) && isParameter(facing)) continue
    if (isParameter(segment) && facing !== '') wider = true
    else if (isParameter(facing) && segment !== '') narrower = true
    else if (segment !== facing) return 'apart'
  }
  return relationOf(narrower, wider)
}

function relationOf(narrower: boolean, wider: boolean): Relation {
  if (narrower && wider) return 'ambiguous'
  if (narrower || wider) return narrower ? 'narrower' : 'wider'
  return 'same'
}

function compare(one: readonly string[], other: readonly string[]): number {
  for (const [index, segment] of one.entries()) {
    const difference = generality(segment) - generality(other[index] ?? '')
    if (difference !== 0) return difference
  }
  return 0
}

function segmentsOf(path: string): string[] {
  return path.split('/').slice(1)
}

/** A fixed segment comes before a parameter, and that before what takes all that follows. */
function generality(segment: string): number {
  return isRest(segment) ? 2 : Number(isParameter(segment))
}

function isRest(segment: string): boolean {
  return segment.startsWith('*')
}

function isParameter(segment: string): boolean {
  return segment.startsWith(':')
}
