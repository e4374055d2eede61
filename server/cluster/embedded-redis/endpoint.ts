import { connect } from 'node:net'
import { remaining, type Deadline } from '../../../shared/kernel/lifecycle.ts'

/** Where a server of ours listens. */
export type Endpoint = { readonly path: string } | { readonly host: string; readonly port: number }

/** The address in the form that `openRedis` takes. */
export function urlOf(endpoint: Endpoint): string {
  if ('port' in endpoint) return `redis://${endpoint.host}:${endpoint.port}`
  return `unix://${endpoint.path.split('/').map(encodeURIComponent).join('/')}`
}

/**
 * Whether the server with this identity answers commands behind the endpoint, known at the deadline at the latest.
 * One that loads its data does not yet; one that asks for a password does. Another server that has the endpoint
 * (the previous one, on its way out) is not taken for ours: `syslog-ident`, which nothing else uses, tells.
 */
export function answersAs(identity: string, endpoint: Endpoint, deadline: Deadline): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(endpoint)
    const settle = (answer: boolean) => {
      clearTimeout(patience)
      socket.destroy()
      resolve(answer)
    }
    const patience = setTimeout(settle, remaining(deadline), false)
    let reply = ''
    socket.on('error', () => settle(false))
    socket.on('close', () => settle(false))
    socket.on('data', (chunk) => {
      reply += chunk.toString('latin1')
      if (reply.endsWith('+PONG\r\n')) settle(reply.includes(identity))
      else if (/^-NOAUTH/m.test(reply)) settle(true)
      else if (/^-LOADING/m.test(reply)) settle(false)
    })
    socket.write('CONFIG GET syslog-ident\r\nPING\r\n')
  })
}

/** Whether anything accepts connections there, known at the deadline at the latest. */
export function accepts(endpoint: Endpoint, deadline: Deadline): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(endpoint)
    const settle = (answer: boolean) => {
      clearTimeout(patience)
      socket.destroy()
      resolve(answer)
    }
    const patience = setTimeout(settle, remaining(deadline), false)
    socket.on('error', () => settle(false))
    socket.on('connect', () => settle(true))
  })
}
