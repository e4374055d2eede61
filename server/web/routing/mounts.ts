/**
 * Koa applications that moved in, each at a path of its own: whatever no route answers there goes to them, behind the
 * guards that every route gets. `ctx.session` and `ctx.state.identity` are ours in them, and what they added to their own
 * `app.context` is on `ctx`, as they expect.
 */
import mountKoa from 'koa-mount'
import type { KoaApp, AppMiddleware } from '../../../shared/app/context.ts'
import type { Mount } from '../../../shared/app/feature.ts'
import type { Route } from '../../../shared/app/route.ts'
import { compose, inTurn } from '../../http/compose.ts'

export interface MountOptions {
  readonly guards: readonly AppMiddleware[]
  /** Makes `ctx.session` true around what it runs. */
  readonly sessionData: AppMiddleware
}

/** Runs the mounts of this application; the one with the longest path first. */
export function runMounts(app: KoaApp, mounts: readonly Mount[], options: MountOptions): AppMiddleware {
  const { guards, sessionData } = options
  const byLength = mounts.toSorted((one, other) => other.path.length - one.path.length)
  const runs = byLength.map((mount) => {
    moveIn(app, mount)
    const { path, koa } = mount
    const run = compose([
      inTurn(choose(mount)),
      ...guards,
      inTurn(sessionData),
      mountKoa(path, koa as never) as never,
    ])
    return { prefix: path === '/' ? '/' : `${path}/`, path, run }
  })

  return function runMount(ctx, next) {
    const { path } = ctx
    const found = runs.find((mount) => path === mount.path || path.startsWith(mount.prefix))
    return found === undefined ? next() : found.run(ctx, next)
  }
}

/** What the application added to its context is on ours; what we have ourselves stays. */
function moveIn(app: KoaApp, { koa }: Mount): void {
  const added = Object.getOwnPropertyDescriptors(koa.context) as Record<PropertyKey, PropertyDescriptor>
  for (const name of Reflect.ownKeys(added)) {
    const descriptor = added[name]
    if (descriptor !== undefined && !(name in app.context))
      Object.defineProperty(app.context, name, descriptor)
  }
  if (app.keys === undefined && koa.keys !== undefined) app.keys = koa.keys
}

/** To the guards a mount is a route. */
function choose({ path, access, limits }: Mount): AppMiddleware {
  const route: Route = {
    method: 'GET',
    path: `${path === '/' ? '' : path}/*`,
    access,
    summary: `The Koa application at ${path}`,
    replies: {},
    session: true,
    ...(limits ? { limits } : {}),
    body: null,
    params: null,
    query: null,
    bodyOptional: false,
    repeatable: new Set(),
    handler() {},
  }
  return function chooseMount(ctx, next) {
    ctx.state.route = route
    return next()
  }
}
