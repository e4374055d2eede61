/** A small identity service, as Kratos or Appwrite would be: it issues tokens and says whose they are. */
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import process, { env } from 'node:process'

const users = new Map([
  ['ann@example.com', { id: 'u1', name: 'Ann', password: 'nine green umbrellas' }],
  ['bob@example.com', { id: 'u2', name: 'Bob', password: 'seven blue lanterns' }],
])
const hourMs = 3_600_000
const sessions = new Map()

async function bodyOf(request) {
  let text = ''
  for await (const chunk of request) text += chunk
  return JSON.parse(text)
}

async function answer(request) {
  const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1]
  switch (`${request.method} ${request.url}`) {
    case 'POST /sessions': {
      const { email, password } = await bodyOf(request)
      const user = users.get(email)
      if (user?.password !== password) return [401]
      const issued = randomBytes(32).toString('base64url')
      const session = {
        user: { id: user.id, name: user.name, email },
        expires_at: new Date(Date.now() + hourMs).toISOString(),
      }
      sessions.set(issued, session)
      return [201, { token: issued, ...session }]
    }
    case 'GET /whoami': {
      const session = sessions.get(token)
      return session && Date.parse(session.expires_at) > Date.now() ? [200, session] : [401]
    }
    case 'DELETE /session':
      return sessions.delete(token) ? [204] : [401]
    default:
      return [404]
  }
}

createServer((request, response) => {
  answer(request)
    .catch(() => [400])
    .then(([status, body]) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(body && JSON.stringify(body))
    })
}).listen(Number(env.PORT ?? 4000), '127.0.0.1', function listening() {
  process.stdout.write(`identity service: http://127.0.0.1:${this.address().port}\n`)
})
