import { z } from 'zod'
import { problem } from '../../../../shared/app/problem.ts'
import type { Readiness } from './readiness.ts'
import { defineRoute, type Route } from '../../../../shared/app/route.ts'

const up = z.strictObject({ status: z.literal('ok') })
const sessionsDetail = z.strictObject({ cache: z.string(), lease: z.enum(['held', 'lapsed', 'none']) })

const signInDetail = z.strictObject({
  limits: z.enum(['full', 'lowered', 'unknown']),
  recoverySeconds: z.int().min(0),
})

/** Where machines ask, every few seconds. */
export const probes = { live: '/livez', started: '/startupz', ready: '/readyz' } as const

/** For load balancers and orchestrators. `/livez` asks nobody: an outage of Redis is no reason to be restarted. */
export function healthRoutes(readiness: Readiness): Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: probes.live,
      access: 'anyone',
      identify: false,
      inMaintenance: 'open',
      limits: [],
      summary: 'Does this worker answer at all?',
      replies: { 200: { description: 'It does', body: up } },
      handler(ctx) {
        ctx.body = { status: 'ok' }
      },
    }),
    defineRoute({
      method: 'GET',
      path: probes.started,
      access: 'anyone',
      identify: false,
      inMaintenance: 'open',
      limits: [],
      summary: 'Has this worker started?',
      replies: { 200: { description: 'It has', body: up }, 503: { description: 'Not yet' } },
      handler(ctx) {
        if (readiness.phase === 'starting') throw problem('not-ready', 'this worker is still starting')
        ctx.body = { status: 'ok' }
      },
    }),
    defineRoute({
      method: 'GET',
      path: probes.ready,
      access: 'anyone',
      identify: false,
      inMaintenance: 'open',
      limits: [],
      summary: 'Should this worker be sent requests?',
      replies: {
        200: {
          description: 'Yes',
          body: z.strictObject({
            status: z.literal('ok'),
            checks: z.record(z.string(), z.literal('ok')),
            sessions: sessionsDetail.optional(),
            signIn: signInDetail.optional(),
            settings: z.enum(['followed', 'unreadable']).optional(),
            proxy: z.enum(['as-configured', 'untrusted']).optional(),
          }),
        },
        503: { description: 'No; `checks` says which part is down' },
      },
      async handler(ctx) {
        if (readiness.phase !== 'running') {
          throw problem('not-ready', `this worker is ${readiness.phase}`, { members: { checks: {} } })
        }
        const checks = await readiness.check()
        const sessions = readiness.sessions?.()
        const down = Object.keys(checks).filter((part) => checks[part] !== 'ok')
        if (down.length > 0) {
          throw problem('not-ready', `down: ${down.join(', ')}`, { members: { checks, sessions } })
        }
        ctx.body = { status: 'ok', checks, sessions, ...(await readiness.notes?.()) }
      },
    }),
  ]
}
