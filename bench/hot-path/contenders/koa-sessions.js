/** Our sessions in a plain Koa application, in five lines. */
import { Router } from '@koa/router'
import Koa from 'koa'
import { koaSessions } from '../../../dist/shared/sessions/index.js'
import { listen, readTask } from './listen.js'

const { redisUrl, answer } = readTask()
const sessions = koaSessions({ name: 'bench', redis: redisUrl })
const app = new Koa()
const router = new Router()

router.post('/login', (ctx) => ctx.auth.signIn('alice', () => true))
router.get('/api/v1/auth/me', (ctx) => {
  ctx.auth.require()
  ctx.body = answer
})
app.use(sessions.middleware())
app.use(router.routes())
await sessions.start()
listen(app.callback())
