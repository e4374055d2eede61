import cluster from 'node:cluster'

let stopping = false
cluster.setupPrimary({ exec: new URL('server.js', import.meta.url).pathname })
for (let n = 0; n < 4; n++) cluster.fork()
cluster.on('exit', () => {
  if (!stopping) cluster.fork()
})
process.on('SIGTERM', () => {
  stopping = true
  for (const worker of Object.values(cluster.workers)) worker.process.kill()
})
