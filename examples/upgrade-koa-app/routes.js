/** What the application does: the same before and after. */

/**
 * @param {import('koa').default} app
 * @param {import('koa').Middleware} limit
 */
export function routes(app, limit) {
  app.use(async (ctx) => {
    const { session } = ctx
    switch (`${ctx.method} ${ctx.path}`) {
      case 'POST /login':
        session.userId = ctx.query.user
        ctx.status = 204
        return
      case 'POST /logout':
        ctx.session = null
        ctx.status = 204
        return
      case 'GET /me':
        if (!session.userId) ctx.throw(401, 'nobody is signed in')
        ctx.body = { userId: session.userId, note: session.note ?? null }
        return
      case 'POST /note':
        if (!session.userId) ctx.throw(401, 'nobody is signed in')
        console.log(JSON.stringify({ msg: 'a note begins' }))
        session.note = await textOf(ctx.req)
        ctx.status = 204
        return
      case 'GET /search':
        await limit(ctx, async () => void (ctx.body = { found: [] }))
        return
      default:
        ctx.throw(404)
    }
  })
}

/** @param {AsyncIterable<Buffer>} req */
async function textOf(req) {
  let text = ''
  for await (const chunk of req) text += chunk
  return text
}
