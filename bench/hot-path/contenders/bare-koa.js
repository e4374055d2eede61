/** The least that Koa with a router can do: no session, no security headers, no request id. */
import { Router } from '@koa/router'
import Koa from 'koa'
import { listen, readTask } from './listen.js'

const { answer } = readTask()
const app = new Koa()
const router = new Router()

router.get('/api/v1/auth/me', (ctx) => {
  ctx.body = answer
})
app.use(router.routes())
listen(app.callback())
