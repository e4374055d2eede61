import Koa from 'koa'
import { koaRemoteSessions } from 'lockstep/session-cache'
import { cookieWith } from 'lockstep/sessions'

/** `identity` is asked at sign-in, `remote` who somebody is. */
export function createApp({ identity, remote, worker }) {
  const app = new Koa()

  app.use(async (ctx, next) => {
    ctx.set('X-Worker', worker)
    try {
      await next()
    } catch (fault) {
      answerProblem(ctx, fault)
    }
  })
  app.use(koaRemoteSessions(remote))

  const routes = {
    async 'POST /api/v1/auth/login'(ctx) {
      const { email, password } = await readJson(ctx.req)
      const ticket = remote.ticket()
      const issued = await identity.signIn(email, password)
      if (!issued) return ctx.throw(401, 'the address or the password is wrong')
      await remote.set(issued.token, issued.session, ticket)
      ctx.append('Set-Cookie', cookieWith(issued.token, null, ctx.secure))
      ctx.body = shown(issued.session)
    },
    'GET /api/v1/auth/me'(ctx) {
      ctx.body = shown(ctx.remote.require())
    },
    'POST /logout': (ctx) => ctx.remote.signOut(),
  }
  app.use((ctx) => {
    const route = routes[`${ctx.method} ${ctx.path}`]
    return route ? route(ctx) : ctx.throw(404)
  })
  return app
}

function shown({ userId, expiresAt, data }) {
  return { user: { id: userId, ...data }, session: { expiresAt } }
}

async function readJson(request) {
  let text = ''
  for await (const chunk of request) {
    text += chunk
    if (text.length > 10_000) throw Object.assign(new Error('too large'), { status: 413, expose: true })
  }
  try {
    const body = JSON.parse(text)
    if (typeof body?.email === 'string' && typeof body.password === 'string') return body
  } catch {
    // Said below.
  }
  throw Object.assign(new Error('send JSON with email and password'), { status: 400, expose: true })
}

function answerProblem(ctx, fault) {
  const status = fault.status ?? (fault.name === 'TypeError' || fault.name === 'TimeoutError' ? 503 : 500)
  ctx.status = status
  ctx.set(fault.headers ?? (status === 503 ? { 'Retry-After': '1' } : {}))
  ctx.body = {
    type: fault.code ?? 'about:blank',
    title: ctx.message,
    status,
    detail: fault.expose || fault.code ? fault.message : undefined,
  }
  ctx.type = 'application/problem+json'
  if (status === 500) ctx.app.emit('error', fault, ctx)
}
