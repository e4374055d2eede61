import { Router } from '@koa/router'
import Koa from 'koa'
import redisStore from 'koa-redis'
import session from 'koa-session'
import { listen, readTask } from './listen.js'

const { redisUrl, answer } = readTask()
const app = new Koa()
app.keys = ['a key that signs the cookie']
const router = new Router()

router.post('/login', (ctx) => {
  ctx.session.identity = answer
  ctx.status = 204
})
router.get('/api/v1/auth/me', (ctx) => {
  if (ctx.session.identity === undefined) ctx.throw(401)
  ctx.body = ctx.session.identity
})
app.use(session({ store: redisStore({ url: redisUrl }) }, app))
app.use(router.routes())
listen(app.callback())
