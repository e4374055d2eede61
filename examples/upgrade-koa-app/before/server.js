import Koa from 'koa'
import redisStore from 'koa-redis'
import session from 'koa-session'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import { routes } from '../routes.js'

const app = new Koa()
app.keys = [process.env.SECRET]
app.use(session({ store: redisStore({ url: process.env.REDIS_URL }) }, app))

const limiter = new RateLimiterMemory({ points: 10, duration: 60 })
routes(app, async (ctx, next) => {
  await limiter.consume(ctx.ip).catch(() => ctx.throw(429))
  await next()
})

app.listen(Number(process.env.PORT), '127.0.0.1')
