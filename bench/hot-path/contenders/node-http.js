/** The least that Node can do: no framework, no router. */
import { listen, readTask } from './listen.js'

const { answer } = readTask()

listen((request, response) => {
  if (request.method !== 'GET' || request.url !== '/api/v1/auth/me') {
    response.writeHead(request.url === '/login' ? 204 : 404).end()
    return
  }
  const body = JSON.stringify(answer)
  response.writeHead(200, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
  })
  response.end(body)
})
