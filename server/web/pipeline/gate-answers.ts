import type { Sessions } from '../../../shared/sessions/index.ts'
import type { AppMiddleware } from '../../../shared/app/context.ts'
import { problem } from '../../../shared/app/problem.ts'

/**
 * The response gate: a session that ended while its request was being served gets no data. Between the check at
 * the beginning and this one the handler may have waited for a database, and the user may have logged out.
 */
export function gateAnswers(sessions: Pick<Sessions, 'stillValid'>): AppMiddleware {
  async function requireValid(token: string): Promise<void> {
    if (await sessions.stillValid(token)) return
    throw problem('session-gone', 'the session ended while the request was being served')
  }

  return function gateAnswer(ctx, next) {
    const { state } = ctx
    const { identity, route, token } = state
    const reads = ctx.req.method === 'GET' || ctx.req.method === 'HEAD'
    if (identity === null || token === null || !reads || route?.gate === false) return next()
    // A handler that signed the user in again has replaced the token.
    const gate = () => (ctx.status < 300 ? requireValid(state.token ?? token) : undefined)
    const answering = next()
    return answering ? answering.then(gate) : gate()
  }
}
