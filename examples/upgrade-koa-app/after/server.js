import Koa from 'koa'
import session from 'koa-session'
import { joinCluster } from 'lockstep/cluster'
import { koaLimits } from 'lockstep/limits'
import { koaSessionStore, openSessions } from 'lockstep/sessions'
import { routes } from '../routes.js'

const sessions = openSessions({ name: 'shop', redis: process.env.REDIS_URL })
const policies = [{ name: 'search', limit: 10, windowMs: 60_000 }]
const limits = koaLimits({ domain: sessions.domain, policies })
await sessions.start()
await limits.start()

const app = new Koa()
app.keys = [process.env.SECRET]
app.use(session({ ContextStore: koaSessionStore(sessions, { user: (data) => data.userId }) }, app))

routes(app, limits.middleware('search'))

const server = app.listen(Number(process.env.PORT), '127.0.0.1')
joinCluster({
  server,
  async stop(graceMs) {
    await limits.stop()
    await sessions.stop(performance.now() + graceMs)
  },
})
