import { z } from 'zod'
import type { Sessions } from '../../../../shared/sessions/index.ts'
import { answerPage } from '../pages/page.ts'
import { startPage } from '../pages/start-page.ts'
import { whoIsIt } from '../pages/who-is-it.ts'
import type { Json } from './openapi.ts'
import { defineRoute, type Route } from '../../../../shared/app/route.ts'

/** Where to start reading, and `/openapi.json`, which is the `document` of what programs call. */
export function documentationRoutes(document: () => Json, sessions: Pick<Sessions, 'authenticate'>): Route[] {
  let text: string | undefined

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
      async handler(ctx) {
        ctx.vary('Accept')
        // Browsers ask for HTML before JSON; programs mostly don't say.
        if (ctx.accepts('json', 'html') === 'html') {
          return answerPage(ctx, startPage(ctx, await whoIsIt(sessions, ctx)))
        }
        ctx.body = { name: ctx.site.name, documentation: '/openapi.json' }
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
        text ??= JSON.stringify(document())
        ctx.type = 'application/json'
        ctx.body = text
      },
    }),
  ]
}
