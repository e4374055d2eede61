import { randomBytes } from 'node:crypto'
import type { AppMiddleware, RequestWork } from '../../../shared/app/context.ts'
import { clientAddress, isSecure } from '../../http/forwarded.ts'

const wellFormedId = /^[A-Za-z0-9._-]{1,64}$/

/**
 * Opens the record of a request (`ctx.state`): its id, which is the caller's when that is well formed, and where
 * it comes from. The id, and the worker's with `worker`, go out with every answer.
 */
export function identifyRequests(options: {
  trustProxy: number
  worker: string | null
  work: RequestWork
}): AppMiddleware {
  const { trustProxy, worker, work } = options
  const nextId = createIds()

  return function identifyRequest(ctx, next) {
    const { req, res } = ctx
    const given = req.headers['x-request-id']
    const requestId = typeof given === 'string' && wellFormedId.test(given) ? given : nextId()
    ctx.state = {
      requestId,
      clientIp: clientAddress(req, trustProxy),
      secure: isSecure(req, trustProxy),
      route: null,
      params: {},
      credential: null,
      token: null,
      identity: null,
      work,
    }
    res.setHeader('X-Request-Id', requestId)
    if (worker !== null) res.setHeader('X-Worker', worker)
    return next()
  }
}

/** Ids that no other process makes, by a beginning of this process' own. They are names and keep no secret. */
function createIds(): () => string {
  const ours = randomBytes(9).toString('base64url')
  let count = 0
  return () => `${ours}-${++count}`
}
