import { z } from 'zod'
import { describeRoutes } from './openapi.ts'
import { defineRoute, type Route } from '../../../../shared/app/route.ts'

/** The routes that programs call, and what each of them belongs to. */
export interface Documented {
  readonly routes: readonly Route[]
  tagOf(route: Route): string
}

/** Where to start reading, and `/openapi.json`, which describes what is `documented`. */
export function documentationRoutes(documented: () => Documented): Route[] {
  let document: string | undefined

  return [
    defineRoute({
      method: 'GET',
      path: '/',
      access: 'anyone',
      identify: false,
      inMaintenance: 'open',
      summary: 'Where to find what',
      replies: {
        200: { description: 'Links', body: z.strictObject({ name: z.string(), documentation: z.string() }) },
      },
      handler(ctx) {
        ctx.body = { name: 'Lockstep', documentation: '/openapi.json' }
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/openapi.json',
      access: 'anyone',
      identify: false,
      inMaintenance: 'open',
      summary: 'This API as an OpenAPI document',
      replies: { 200: { description: 'OpenAPI 3.1', body: z.looseObject({ openapi: z.string() }) } },
      handler(ctx) {
        document ??= JSON.stringify(describe(documented()))
        ctx.type = 'application/json'
        ctx.body = document
      },
    }),
  ]
}

function describe({ routes, tagOf }: Documented) {
  return describeRoutes(routes, tagOf)
}
