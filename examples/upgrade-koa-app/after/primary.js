import { startCluster } from 'lockstep/cluster'

await startCluster({ web: new URL('server.js', import.meta.url), workers: 4 })
