import Koa from 'koa'
import type { App, AppContext } from './context.ts'

interface RequestHandling {
  handleRequest(ctx: AppContext, run: (ctx: AppContext) => Promise<void>): Promise<void>
}

const koa = Koa.prototype as unknown as RequestHandling

/**
 * A Koa application with a shorter way out for answers that are text, as most of ours are. Koa watches each answer
 * until it is out, by an async resource and several listeners, to learn of streams that break on the way. That costs
 * more than everything else that it does for a request; and a text is handed to Node whole, so there is nothing to
 * learn. What is not text, Koa sends as ever.
 */
export function createKoa(): App {
  class TextFirst extends Koa implements RequestHandling {
    handleRequest(ctx: AppContext, run: (ctx: AppContext) => Promise<void>): Promise<void> {
      const { res } = ctx
      res.statusCode = 404
      return run(ctx)
        .then(() => {
          if (isWholeText(ctx)) res.end(ctx.body)
          else return this.#sendAsEver(ctx)
        })
        .catch((fault: unknown) => ctx.onerror(fault as Error))
    }

    #sendAsEver(ctx: AppContext): Promise<void> {
      const { statusCode } = ctx.res
      return koa.handleRequest.call(this, ctx, async () => {
        // Koa begins every request as one that nobody answers.
        ctx.res.statusCode = statusCode
      })
    }
  }
  return new TextFirst() as unknown as App
}

const bodiless: ReadonlySet<number> = new Set([204, 205, 304])

function isWholeText(ctx: AppContext): boolean {
  return (
    typeof ctx.body === 'string' &&
    ctx.method !== 'HEAD' &&
    ctx.respond !== false &&
    ctx.writable &&
    !bodiless.has(ctx.res.statusCode)
  )
}
