import cookie from '@fastify/cookie'
import session from '@fastify/session'
import { RedisStore } from 'connect-redis'
import fastify from 'fastify'
import { createClient } from 'redis'
import { readTask, tellPort } from './listen.js'

const { redisUrl, answer } = readTask()
const client = createClient({ url: redisUrl })
await client.connect()
const app = fastify()

app.register(cookie)
app.register(session, {
  store: new RedisStore({ client }),
  secret: 'a key that signs the cookie and is long enough',
  cookie: { secure: false },
  rolling: false,
  saveUninitialized: false,
})
app.post('/login', async (request, reply) => {
  request.session.identity = answer
  return reply.code(204).send()
})
app.get('/api/v1/auth/me', async (request, reply) => {
  if (request.session.identity === undefined) return reply.code(401).send()
  return request.session.identity
})
await app.listen({ port: 0, host: '127.0.0.1' })
tellPort(app.server.address())
