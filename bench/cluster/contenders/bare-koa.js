/** One worker of the least that Koa with a router can do, under whoever forks it. */
import { Router } from '@koa/router'
import Koa from 'koa'
import { appendFileSync } from 'node:fs'

/**
 * What the benchmark tells it: where to listen, what to answer, and the file in which each worker reports that it
 * listens.
 *
 * @type {{ port: number, answer: object, readinessFile: string }}
 */
const { port, answer, readinessFile } = JSON.parse(process.env.BENCH_TASK ?? '')
const app = new Koa()
const router = new Router()

router.get('/api/v1/auth/me', (ctx) => {
  ctx.body = answer
})
app.use(router.routes())
app.listen(port, '127.0.0.1', () => {
  const ready = { pid: process.pid, parent: process.ppid, at: Date.now() }
  appendFileSync(readinessFile, `${JSON.stringify(ready)}\n`)
})
