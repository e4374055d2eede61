/** `lockstep/cluster`: the primary of this server, and how a worker belongs to it, for any Node HTTP server. */
export { ConfigurationError } from '../../../shared/kernel/errors.ts'
export { ReloadAborted } from '../supervision/supervisor.ts'
export type { ClusterOptions } from './options.ts'
export { joinCluster, type ClusterMember, type JoinOptions } from './join-cluster.ts'
export { startCluster, type Cluster, type ClusterWorker } from './start-cluster.ts'
