import Koa from 'koa'
import { compose } from './compose.ts'
import type { KoaApp, AppContext, AppMiddleware } from '../../shared/app/context.ts'

interface RequestHandling {
  handleRequest(ctx: AppContext, run: AppMiddleware): Promise<void> | void
}

const koa = Koa.prototype as unknown as RequestHandling

/**
 * A Koa application with a shorter way for answers that are text, as most of ours are: what its layers decide within
 * one turn of the event loop is sent within that turn, and not watched on its way.
 *
 * Koa watches each answer until it is out, by an async resource and several listeners, to learn of streams that break.
 * That costs more than everything else that it does for a request; and a text is handed to Node whole, so there is
 * nothing to learn. What is not text, Koa sends as ever.
 */
export function createKoa(): KoaApp {
  class TextFirst extends Koa implements RequestHandling {
    handleRequest(ctx: AppContext, run: AppMiddleware): Promise<void> | void {
      // Koa begins every request as one that no one answers.
      ctx.res.statusCode = 404
      try {
        const answering = run(ctx, done)
        if (answering === undefined) return this.#send(ctx)
        return answering.then(() => this.#send(ctx)).catch((fault: unknown) => ctx.onerror(fault as Error))
      } catch (fault) {
        ctx.onerror(fault as Error)
      }
    }

    #send(ctx: AppContext): Promise<void> | void {
      if (isWholeText(ctx)) ctx.res.end(ctx.body)
      else return this.#sendAsEver(ctx)
    }

    #sendAsEver(ctx: AppContext): Promise<void> | void {
      const { statusCode } = ctx.res
      return koa.handleRequest.call(this, ctx, async () => {
        ctx.res.statusCode = statusCode
      })
    }
  }
  return new TextFirst({ compose } as object) as unknown as KoaApp
}

function done(): void {}

const bodiless: ReadonlySet<number> = new Set([204, 205, 304])

function isWholeText(ctx: AppContext): boolean {
  return (
    typeof ctx.body === 'string' &&
    ctx.req.method !== 'HEAD' &&
    ctx.respond !== false &&
    ctx.writable &&
    !bodiless.has(ctx.res.statusCode)
  )
}
