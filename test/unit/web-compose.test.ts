import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { inTurn } from '../../server/http/compose.ts'
import { createKoa } from '../../server/http/create-koa.ts'
import type { AppMiddleware } from '../../shared/app/context.ts'

/** As others write them: `next()` gives a promise, that is the contract of Koa. */
type PlainKoa = (ctx: Parameters<AppMiddleware>[0], next: () => Promise<void>) => Promise<void> | void

describe('Plain Koa middleware', () => {
  async function ask(
    layers: readonly (AppMiddleware | PlainKoa)[],
  ): Promise<{ status: number; text: string }> {
    const app = createKoa()
    app.silent = true
    for (const layer of layers) app.use(layer as AppMiddleware)
    const server = createServer(app.callback()).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const answer = await fetch(`http://127.0.0.1:${port}/`)
    const text = await answer.text()
    const closed = once(server, 'close')
    server.close().closeAllConnections()
    await closed
    return { status: answer.status, text }
  }

  const answers = inTurn((ctx) => {
    ctx.body = 'inner'
  })
  const passes = inTurn((_ctx, next) => next())
  const stranger: PlainKoa = (ctx, next) =>
    next().then(() => {
      ctx.body = `${String(ctx.body)}, then outer`
    })

  it('that calls next().then(...) is answered, around layers that end in one turn', async () => {
    expect(await ask([stranger, answers])).to.deep.equal({ status: 200, text: 'inner, then outer' })
    expect(await ask([passes, stranger, passes, answers])).to.deep.equal({
      status: 200,
      text: 'inner, then outer',
    })
    expect(await ask([stranger])).to.deep.equal({ status: 200, text: 'undefined, then outer' })
  })

  it('learns of what a layer throws at once by a rejection', async () => {
    const catches: PlainKoa = (ctx, next) =>
      next().catch((fault: Error) => {
        ctx.body = `caught ${fault.message}`
      })
    const throws = inTurn(() => {
      throw new Error('a fault')
    })
    expect(await ask([catches, passes, throws])).to.deep.equal({ status: 200, text: 'caught a fault' })
  })

  it('cannot run the layers inside it twice', async () => {
    let runs = 0
    const twice: PlainKoa = (_ctx, next) => next().then(next)
    const counts = inTurn((ctx) => {
      runs += 1
      ctx.body = 'counted'
    })
    expect((await ask([twice, counts])).status).to.equal(500)
    expect(runs).to.equal(1)
  })

  it('of others leaves our own layers synchronous', () => {
    const app = createKoa() as unknown as { use(layer: AppMiddleware): void; middleware: AppMiddleware[] }
    let answered: unknown = 'nothing yet'
    app.use(
      inTurn((_ctx, next) => {
        answered = next()
      }),
    )
    app.use(inTurn(() => {}))
    const { compose } = app as unknown as { compose(layers: AppMiddleware[]): AppMiddleware }
    void compose(app.middleware)({} as never, () => {})
    expect(answered).to.equal(undefined)
  })
})
