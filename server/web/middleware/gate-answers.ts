import type { Sessions } from '../../../shared/sessions/sessions.ts'
import type { AppMiddleware } from '../context.ts'
import { problem } from '../problem.ts'

/**
 * The response gate: a session that ended while its request was being served gets no data. Between the check at
 * the beginning and this one the handler may have waited for a database, and somebody may have logged out.
 */
export function gateAnswers(sessions: Pick<Sessions, 'stillValid'>): AppMiddleware {
  return function gateAnswer(ctx, next) {
    const { identity, route, token } = ctx.state
    const reads = ctx.req.method === 'GET' || ctx.req.method === 'HEAD'
    if (identity === null || token === null || !reads || route?.gate === false) return next()
    return next().then(async () => {
      if (ctx.status >= 300) return
      const valid = sessions.stillValid(token)
      if (valid === true || (await valid)) return
      throw problem('session-gone', 'the session ended while the request was being served')
    })
  }
}
