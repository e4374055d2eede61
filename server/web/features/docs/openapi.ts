/** The API as an OpenAPI 3.1 document, made of the routes themselves: what it says is what they check. */
import { z } from 'zod'
import { problemContentType } from '../../../../shared/app/problem.ts'
import type { Reply, Route } from '../../../../shared/app/route.ts'

export type Json = Record<string, unknown>

/** How a server like this one is known from outside. */
export const documentTitle = 'Lockstep'

/** @param tagOf what a route belongs to: the name of its feature */
export function describeRoutes(routes: readonly Route[], tagOf: (route: Route) => string = () => ''): Json {
  const paths: Record<string, Json> = {}
  const schemas = collectSchemas()
  const tags = [...new Set(routes.map(tagOf))].filter((tag) => tag !== '')
  for (const route of routes) {
    const path = documentedPath(route)
    const tag = tagOf(route)
    paths[path] = {
      ...paths[path],
      [route.method.toLowerCase()]: {
        operationId: operationIdOf(route),
        ...(tag === '' ? {} : { tags: [tag] }),
        ...describeRoute(route, schemas),
      },
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: documentTitle,
      version: 'v1',
      description:
        'Errors are problem details (RFC 9457); switch on `type`. Requests with the session cookie that change ' +
        'something need `Sec-Fetch-Site: same-origin` or a matching `Origin`.',
    },
    ...(tags.length > 0 ? { tags: tags.map((name) => ({ name })) } : {}),
    paths,
    components: {
      securitySchemes: {
        cookie: { type: 'apiKey', in: 'cookie', name: 'sid', description: '`__Host-sid` over TLS' },
        bearer: { type: 'http', scheme: 'bearer' },
      },
      headers: Object.fromEntries(
        Object.entries(headers).map(([name, description]) => [
          name,
          { description, schema: { type: name === 'Retry-After' ? 'integer' : 'string' } },
        ]),
      ),
      schemas: { ...schemas.named(), Problem: schemas.of(problemSchema, 'output') },
    },
  }
}

const headers = {
  RateLimit:
    'What is left of each limit: `"api";r=999;t=1`, with `r` requests left and `t` seconds until there are more',
  'RateLimit-Policy':
    'Each limit that the request is charged to: `"api";q=1000;w=60`, `q` requests in `w` seconds',
  'Retry-After': 'The seconds after which to ask again',
} as const

const problemSchema = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  requestId: z.string().optional(),
  errors: z.array(z.strictObject({ field: z.string(), message: z.string() })).optional(),
})

function describeRoute(route: Route, schemas: Schemas): Json {
  const { summary, access, params, query, body, bodyOptional } = route
  const parameters = [...parametersOf(params, 'path', schemas), ...parametersOf(query, 'query', schemas)]
  return {
    summary,
    ...(typeof access === 'object' ? { description: `Needs the role ${access.roles.join(' or ')}.` } : {}),
    security: access === 'anyone' ? [] : [{ cookie: [] }, { bearer: [] }],
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body === null
      ? {}
      : { requestBody: { required: !bodyOptional, content: json(schemas.of(body, 'input')) } }),
    responses: responsesOf(route, schemas),
  }
}

function parametersOf(schema: z.ZodType | null, place: 'path' | 'query', schemas: Schemas): Json[] {
  if (schema === null) return []
  const { properties = {}, required = [] } = schemas.of(schema, 'input') as {
    properties?: Record<string, Json>
    required?: string[]
  }
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: property,
  }))
}

/** What the route says, and what every route of its kind may answer. */
function responsesOf(route: Route, schemas: Schemas): Json {
  const { method, replies, access, body, params, query, limits } = route
  const isLimited = limits === undefined || limits.length > 0
  const usual: Partial<Record<number, Reply>> = {
    400: { description: 'Malformed' },
    ...(access === 'anyone' ? {} : { 401: { description: 'Not signed in, or the session has ended' } }),
    ...(method === 'GET' && typeof access !== 'object'
      ? {}
      : { 403: { description: 'Not allowed, or cross-site' } }),
    ...(body ? { 413: { description: 'Body too large' }, 415: { description: 'Not application/json' } } : {}),
    ...(body || params || query ? { 422: { description: 'Invalid fields, each named in `errors`' } } : {}),
    ...(isLimited
      ? {
          429: {
            description:
              'A limit is used up; `violated-policies` names it, Retry-After says when to ask again',
          },
        }
      : {}),
    503: { description: 'Not possible right now; Retry-After says when to ask again' },
  }
  const problem = { [mediaType(problemContentType)]: { schema: { $ref: '#/components/schemas/Problem' } } }
  return Object.fromEntries(
    Object.entries<Reply>({ ...usual, ...replies } as Record<number, Reply>).map(
      ([status, { description, body }]) => {
        const content = Number(status) >= 400 ? problem : body && json(schemas.of(body, 'output'))
        const sent = headersOf(Number(status), isLimited)
        return [
          status,
          {
            description,
            ...(sent.length > 0 ? { headers: refsTo(sent) } : {}),
            ...(content ? { content } : {}),
          },
        ]
      },
    ),
  )
}

/** The headers that answers of this status carry, beside those of every HTTP server. */
function headersOf(status: number, isLimited: boolean): (keyof typeof headers)[] {
  const retry = status === 429 || status === 503 ? (['Retry-After'] as const) : []
  const limit =
    isLimited && (status < 400 || status === 429) ? (['RateLimit', 'RateLimit-Policy'] as const) : []
  return [...retry, ...limit]
}

function refsTo(names: readonly string[]): Json {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]))
}

function json(schema: Json): Json {
  return { 'application/json': { schema } }
}

interface Schemas {
  /** A schema, in which those with a name of their own (`.meta({ id })`) are references. */
  of(schema: z.ZodType, io: 'input' | 'output'): Json
  /** Those that were referred to so far. */
  named(): Json
}

const definitions = '#/$defs/'

function collectSchemas(): Schemas {
  const byName = new Map<string, Json>()
  let unnamed = 0
  return {
    of(schema, io) {
      const {
        $schema: _dialect,
        $defs = {},
        ...rest
      } = z.toJSONSchema(schema, { io, target: 'draft-2020-12' })
      // What refers to itself and has no name is called by a number, which counts from 0 in each schema.
      const nameOf = (name: string) => (isNamed(name) ? name : `Value${(unnamed += 1)}`)
      const names = new Map(Object.keys($defs).map((name) => [name, nameOf(name)]))
      for (const [name, definition] of Object.entries($defs)) {
        const { id: _id, ...described } = definition as Json
        byName.set(names.get(name) ?? name, withReferences(described, names))
      }
      return withReferences(rest, names)
    },
    named: () => Object.fromEntries([...byName].sort(([one], [other]) => (one < other ? -1 : 1))),
  }
}

function isNamed(definition: string): boolean {
  return !definition.startsWith('__schema')
}

/** What the schema refers to is among the components of the document, by these names. */
function withReferences(schema: Json, names: ReadonlyMap<string, string>): Json {
  return JSON.parse(JSON.stringify(schema), (key, value: unknown) =>
    key === '$ref' && typeof value === 'string' && value.startsWith(definitions)
      ? `#/components/schemas/${names.get(value.slice(definitions.length)) ?? ''}`
      : value,
  ) as Json
}

export function documentedPath({ path }: Pick<Route, 'path'>): string {
  return path.replace(/[:*]([^/]+)/g, '{$1}')
}

/** What generated clients call it: `getAuthSessions`, `deleteAuthSessionsById`. One method and path has one. */
export function operationIdOf({ method, path }: Pick<Route, 'method' | 'path'>): string {
  const words = path
    .replace(/^\/api\/v\d+(?=\/)/, '')
    .replace(/[:*]/g, 'by-')
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== '')
    .map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`)
  return `${method.toLowerCase()}${words.length === 0 ? 'Start' : words.join('')}`
}

function mediaType(contentType: string): string {
  return contentType.split(';')[0] ?? contentType
}
