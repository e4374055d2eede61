import cluster from 'node:cluster'
import process, { env } from 'node:process'
import { remoteSessions } from 'lockstep/session-cache'
import { createApp } from './app.js'
import { identityService } from './identity.js'

if (cluster.isPrimary) {
  const workers = [1, 2].map(() => cluster.fork())
  let listening = 0
  cluster.on('listening', (_worker, { port }) => {
    listening++
    if (listening === workers.length) process.stdout.write(`listening: http://127.0.0.1:${port}\n`)
  })
  // One that ends takes the other along: a supervisor (systemd, lockstep/cluster) starts them again.
  cluster.on('exit', (_worker, code) => {
    process.exitCode = code
    for (const worker of workers) worker.kill('SIGTERM')
  })
  process.once('SIGTERM', () => {
    for (const worker of workers) worker.kill('SIGTERM')
  })
} else {
  const identity = identityService(env.IDENTITY_URL ?? 'http://127.0.0.1:4000')
  const remote = remoteSessions({
    name: 'remote-identity',
    redis: env.REDIS_URL ?? 'redis://127.0.0.1:6379',
    validate: identity.validate,
    revoke: identity.revoke,
    cacheMs: 60_000,
    whenAway: 'serve-cached',
  })
  await remote.start()
  const app = createApp({ identity, remote, worker: String(cluster.worker.id) })
  const server = app.listen(Number(env.PORT ?? 3000), '127.0.0.1')
  process.once('SIGTERM', () => {
    server.close(() => remote.stop(performance.now() + 2_000).then(() => process.exit()))
    server.closeIdleConnections()
  })
}
