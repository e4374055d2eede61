/** The least that a primary can do: it forks the workers, and replaces one that ends. */
import cluster from 'node:cluster'
import { join } from 'node:path'

cluster.setupPrimary({ exec: join(import.meta.dirname, 'bare-koa.js') })
for (let worker = 0; worker < Number(process.env.WORKERS); worker += 1) cluster.fork()
cluster.on('exit', () => cluster.fork())
