/**
 * Finds the route of a request. Nearly every path of an API is fixed, so one look into a map settles it, however
 * many routes there are; only paths with parameters are tried one by one. Paths are compared as they were sent:
 * no case folding, no trailing slash, no dot segments, so that there is one way to write each path and a proxy's
 * rules in front of us mean the same paths as ours.
 */
import { problem } from './problem.ts'
import type { Method, Route } from './route.ts'

export interface Found {
  readonly route: Route
  readonly params: Readonly<Record<string, string>>
}

export interface RouteTable {
  readonly routes: readonly Route[]
  find(method: Method, path: string): Found | null
  /** The methods of the routes at this path; none when the path is unknown. */
  methodsAt(path: string): Method[]
}

interface Pattern {
  readonly expression: RegExp
  readonly names: readonly string[]
  readonly route: Route
}

/** Throws when two routes could answer the same request. */
export function createRouteTable(routes: readonly Route[]): RouteTable {
  const fixed = new Map<string, Partial<Record<Method, Found>>>()
  const patterns: Pattern[] = []
  const shapes = new Set<string>()

  for (const route of routes) {
    const shape = `${route.method} ${route.path.replace(/:[^/]+/g, ':')}`
    if (shapes.has(shape)) throw new TypeError(`${route.method} ${route.path} is registered twice`)
    shapes.add(shape)
    if (route.path.includes('/:')) {
      patterns.push(compile(route))
    } else {
      const found = { route, params: {} }
      fixed.set(route.path, { ...fixed.get(route.path), [route.method]: found })
    }
  }

  return {
    routes,
    find(method, path) {
      const exact = fixed.get(path)?.[method]
      if (exact) return exact
      for (const { route, expression, names } of patterns) {
        if (route.method !== method) continue
        const match = expression.exec(path)
        if (match) return { route, params: decode(names, match) }
      }
      return null
    },
    methodsAt(path) {
      const matching = patterns.filter(({ expression }) => expression.test(path))
      const known = [...Object.keys(fixed.get(path) ?? {}), ...matching.map(({ route }) => route.method)]
      return [...new Set(known)] as Method[]
    },
  }
}

function compile(route: Route): Pattern {
  const names: string[] = []
  const source = route.path
    .split('/')
    .map((segment) => {
      if (!segment.startsWith(':')) return segment.replace(/[.\\]/g, '\\$&')
      names.push(segment.slice(1))
      return '([^/]+)'
    })
    .join('/')
  return { route, names, expression: new RegExp(`^${source}$`) }
}

function decode(names: readonly string[], match: RegExpExecArray): Record<string, string> {
  try {
    return Object.fromEntries(names.map((name, index) => [name, decodeURIComponent(match[index + 1] ?? '')]))
  } catch {
    throw problem('malformed-request', 'the path has a broken percent encoding')
  }
}
