import { RedisStore } from 'connect-redis'
import express from 'express'
import session from 'express-session'
import { createClient } from 'redis'
import { listen, readTask } from './listen.js'

const { redisUrl, answer } = readTask()
const client = createClient({ url: redisUrl })
await client.connect()
const app = express()

app.use(
  session({
    store: new RedisStore({ client }),
    secret: 'a key that signs the cookie',
    resave: false,
    saveUninitialized: false,
  }),
)
app.post('/login', (req, res) => {
  req.session.identity = answer
  res.sendStatus(204)
})
app.get('/api/v1/auth/me', (req, res) => {
  if (req.session.identity === undefined) res.sendStatus(401)
  else res.json(req.session.identity)
})
listen(app)
