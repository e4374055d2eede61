/** One small application, written for koa-session and for express-session: what their stores promise is the same. */
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import expressSession from 'express-session'
import Koa from 'koa'
import koaSession from 'koa-session'
import { send, type TestRequest, type TestResponse } from './http.ts'

export interface StoreApp {
  readonly url: string
  /** The next request to /note waits, after it has read its session, until `release`. */
  holdNote(): { readonly reached: Promise<void>; release(): void }
  stop(): Promise<void>
}

/** A barrier that one request at a time may meet. */
function createGate() {
  let next: { reach(): void; readonly released: Promise<void> } | null = null
  return {
    hold() {
      let reach = () => {}
      let release = () => {}
      const reached = new Promise<void>((resolve) => (reach = resolve))
      const released = new Promise<void>((resolve) => (release = resolve))
      next = { reach, released }
      return { reached, release }
    },
    async pass(): Promise<void> {
      const mine = next
      next = null
      mine?.reach()
      await mine?.released
    },
  }
}

async function listen(handler: RequestListener): Promise<{ server: Server; url: string }> {
  const server = createServer(handler)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

async function close(server: Server): Promise<void> {
  server.close()
  server.closeAllConnections()
  await once(server, 'close')
}

/** By then the session has been read: a client that holds back its body decides how long the request lasts. */
async function received(request: AsyncIterable<unknown>): Promise<void> {
  for await (const _part of request);
}

/** `options` go to koa-session: its ContextStore or store. */
export async function startKoaApp(options: object): Promise<StoreApp> {
  const app = new Koa()
  app.keys = ['a secret of the tests']
  app.silent = true
  const gate = createGate()
  app.use(koaSession(options, app as never) as never)
  app.use(async (ctx: any) => {
    const { pathname, searchParams } = new URL(ctx.url, 'http://local')
    const user = searchParams.get('user')
    await received(ctx.req)
    switch (pathname) {
      case '/me':
        if (!ctx.session.userId) return ctx.throw(401)
        ctx.body = { ...ctx.session.toJSON() }
        return
      case '/guest':
        ctx.session.basket = searchParams.get('basket')
        break
      case '/basket':
        ctx.body = { basket: ctx.session.basket ?? null, userId: ctx.session.userId ?? null }
        return
      case '/login':
        await gate.pass()
        ctx.session.userId = user
        await ctx.session.regenerate()
        break
      case '/login-in-place':
        await gate.pass()
        ctx.session.userId = user
        break
      case '/note':
        await gate.pass()
        ctx.session.note = searchParams.get('text')?.repeat(Number(searchParams.get('times') ?? 1))
        break
      case '/rotate':
        await gate.pass()
        await ctx.session.regenerate()
        break
      case '/sign-out':
        delete ctx.session.userId
        break
      case '/logout':
        ctx.session = null
        break
      default:
        ctx.throw(404)
    }
    ctx.status = 204
  })
  const { server, url } = await listen(app.callback())
  return { url, holdNote: gate.hold, stop: () => close(server) }
}

/** `options` go to express-session: its store. */
export async function startExpressApp(options: { store: expressSession.Store }): Promise<StoreApp> {
  const app = express()
  const gate = createGate()
  app.use(
    expressSession({ secret: 'a secret of the tests', resave: false, saveUninitialized: false, ...options }),
  )
  const done = (response: express.Response) => (fault: any) =>
    response.status(fault ? (fault.status ?? 500) : 204).end()
  app.use((request: any, response, next) => {
    answer(request, response).catch(next)
  })
  async function answer(request: any, response: express.Response) {
    const { session } = request
    const user = request.query.user
    await received(request)
    const save = () => request.session.save(done(response))
    switch (request.path) {
      case '/me':
        if (!session.userId) return response.status(401).end()
        return response.json(session)
      case '/guest':
        session.basket = request.query.basket
        return save()
      case '/basket':
        return response.json({ basket: session.basket ?? null, userId: session.userId ?? null })
      case '/login':
        await gate.pass()
        return session.regenerate((fault: unknown) => {
          if (fault) return done(response)(fault)
          Object.assign(request.session, { ...session, userId: user, cookie: request.session.cookie })
          save()
        })
      case '/login-in-place':
        await gate.pass()
        session.userId = user
        return save()
      case '/note':
        await gate.pass()
        session.note = request.query.text.repeat(Number(request.query.times ?? 1))
        return save()
      case '/rotate': {
        await gate.pass()
        const { userId } = session
        return session.regenerate((fault: unknown) => {
          if (fault) return done(response)(fault)
          request.session.userId = userId
          save()
        })
      }
      case '/sign-out':
        delete session.userId
        return save()
      case '/logout':
        return session.destroy(done(response))
      default:
        return response.status(404).end()
    }
  }
  app.use((fault: any, _request: express.Request, response: express.Response, _next: () => void) => {
    if (!response.headersSent) response.status(fault.status ?? 500).end()
  })
  const { server, url } = await listen(app as RequestListener)
  return { url, holdNote: gate.hold, stop: () => close(server) }
}

/** A browser as far as cookies go. */
export interface Visitor {
  readonly cookies: Map<string, string>
  send(app: StoreApp, path: string, options?: TestRequest): Promise<TestResponse>
  /** Another one with the same cookies, that goes its own way from here. */
  copy(): Visitor
}

export function visitor(cookies = new Map<string, string>()): Visitor {
  return {
    cookies,
    async send(app, path, options = {}) {
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      const answer = await send(`${app.url}${path}`, {
        ...options,
        headers: { ...(cookie ? { cookie } : {}), ...options.headers },
      })
      for (const [name, value] of answer.cookies) {
        if (value === '') cookies.delete(name)
        else cookies.set(name, value)
      }
      return answer
    },
    copy: () => visitor(new Map(cookies)),
  }
}
