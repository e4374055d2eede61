/**
 * Redis as it is run where one server is not enough, with real processes on loopback, each of which a test may hurt:
 * a primary with replicas under Sentinels, and Redis Cluster. With `partitions` everybody meets over a network that
 * can be cut (redis-network.ts).
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Redis } from 'ioredis'
import { commandOf } from '../../server/cluster/embedded-redis/server-version.ts'
import { trackChild } from './children.ts'
import { eventually } from './eventually.ts'
import { freePort } from './free-port.ts'
import {
  createRedisNetwork,
  type Cut,
  type NetworkPort,
  type Party,
  type RedisNetwork,
} from './redis-network.ts'
import { startRedis, testRedisServer, type TestRedis } from './redis.ts'

export type { Cut, Party } from './redis-network.ts'

/** A process of Redis: a data node or a Sentinel. */
export interface RedisNode extends Party {
  /** `127.0.0.1:PORT`, where everybody reaches it. */
  readonly address: string
  readonly port: number
  /** Ends it with `kill -9` (or another signal that ends it). */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** Starts it again at the same address, with what it had on its disk. */
  restart(): Promise<void>
  /** SIGSTOP: it neither answers nor dies until `thaw`. */
  freeze(): void
  thaw(): void
  /** Asks it directly, past any cut. Rejects when it does not answer within a second. */
  command(name: string, ...args: readonly (string | number)[]): Promise<unknown>
  /** The fields of INFO. */
  info(section?: string): Promise<Map<string, string>>
}

interface Topology {
  /** In the form of REDIS_URL. */
  readonly url: string
  /** The data nodes. */
  readonly nodes: readonly RedisNode[]
  /**
   * Nothing passes between the parties and everybody else, or the others alone. Needs `partitions`. A party may be
   * any process: `{ pid }`.
   */
  cut(side: readonly Party[], other?: readonly Party[]): Cut
  /** Nothing passes between this primary and its replicas, while everybody else reaches all. Needs `partitions`. */
  cutReplication(primary: RedisNode): Cut
  /** Ends every process and removes their data. Safe twice. */
  stop(): Promise<void>
}

export interface SentinelSet extends Topology {
  /** What the Sentinels call the set. */
  readonly name: string
  readonly sentinels: readonly RedisNode[]
  /** Whom most of the Sentinels that answer name as the primary. */
  primary(): Promise<RedisNode>
  /** The data nodes that say they are replicas; those that do not answer are left out. */
  replicas(): Promise<RedisNode[]>
  /** Tells a Sentinel to promote a replica, although nothing is wrong. Resolves when another primary is named. */
  failover(): Promise<void>
}

export interface RedisCluster extends Topology {
  /** The node that serves this key's slot, as those that answer see it. */
  primaryOf(key: string): Promise<RedisNode>
  /** The replicas that follow this primary, as they say themselves. */
  replicasOf(primary: RedisNode): Promise<RedisNode[]>
  /** Promotes this replica, with the handshake of CLUSTER FAILOVER or without. Resolves when it is a primary. */
  failover(replica: RedisNode, mode?: 'FORCE' | 'TAKEOVER'): Promise<void>
}

interface TopologyOptions {
  /** Further lines of the data nodes' redis.conf. */
  readonly config?: Readonly<Record<string, string>>
  readonly persistence?: 'none' | 'everysec' | 'always'
  /** Everybody meets over a network that can be cut; Linux only. */
  readonly partitions?: boolean
}

export interface SentinelSetOptions extends TopologyOptions {
  readonly replicas?: number
  readonly sentinels?: number
  readonly name?: string
  readonly downAfterMs?: number
  readonly failoverTimeoutMs?: number
  /** Further lines of sentinel.conf. */
  readonly sentinelConfig?: readonly string[]
}

export interface RedisClusterOptions extends TopologyOptions {
  readonly masters?: number
  readonly replicasPerMaster?: number
  readonly nodeTimeoutMs?: number
}

const host = '127.0.0.1'

export async function startSentinelSet(options: SentinelSetOptions = {}): Promise<SentinelSet> {
  const { replicas = 2, sentinels: count = 3, name = 'shop', downAfterMs = 1_000 } = options
  const { failoverTimeoutMs = 5_000, sentinelConfig = [] } = options
  const parts = createParts(options)
  try {
    const first = await parts.dataNode({})
    const others = await Promise.all(
      Array.from({ length: replicas }, () => parts.dataNode({ replicaof: `${host} ${first.port}` })),
    )
    const nodes = [first, ...others]
    await eventually(() => expectReplicas(first, replicas), 30_000)

    const lines = [
      `sentinel monitor ${name} ${host} ${first.port} ${Math.floor(count / 2) + 1}`,
      `sentinel down-after-milliseconds ${name} ${downAfterMs}`,
      `sentinel failover-timeout ${name} ${failoverTimeoutMs}`,
      ...sentinelConfig,
    ]
    const sentinels = await Promise.all(Array.from({ length: count }, () => parts.sentinel(lines)))
    const byPort = new Map(nodes.map((node) => [node.port, node]))

    async function namedBy(sentinel: RedisNode): Promise<number> {
      const named = await sentinel.command('SENTINEL', 'get-master-addr-by-name', name)
      return Number((named as [string, string])[1])
    }
    async function primary(): Promise<RedisNode> {
      const answers = await Promise.allSettled(sentinels.map(namedBy))
      const ports = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
      const votes = (port: number) => ports.filter((other) => other === port).length
      const named = byPort.get(ports.toSorted((a, b) => votes(b) - votes(a))[0] ?? 0)
      if (!named) throw new Error('no Sentinel names a primary')
      return named
    }

    // A failover needs Sentinels that know each other and the replicas.
    await eventually(async () => {
      for (const sentinel of sentinels) {
        const info = (await sentinel.info('sentinel')).get('master0') ?? ''
        if (!info.includes('status=ok') || !info.endsWith(`slaves=${replicas},sentinels=${count}`))
          throw new Error(`a Sentinel does not know the set yet: ${info}`)
      }
    }, 30_000)
    return {
      ...parts.topology(nodes),
      url: `redis+sentinel://${sentinels.map(({ address }) => address).join(',')}/${name}`,
      name,
      sentinels,
      primary,
      replicas: () => nodesOf(nodes, async (node) => (await roleOf(node)) === 'slave'),
      async failover() {
        const before = await primary()
        const asked = sentinels[0]!
        await eventually(async () => {
          // One that came to nothing has to be asked for again; beside one in progress it is refused.
          if (byPort.get(await namedBy(asked)) === before)
            await asked.command('SENTINEL', 'FAILOVER', name).catch(() => {})
          if ((await primary()) === before) throw new Error('the Sentinels still name the old primary')
        }, 30_000)
      },
    }
  } catch (cause) {
    await parts.stop()
    throw cause
  }
}

export async function startRedisCluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const { masters = 3, replicasPerMaster = 2, nodeTimeoutMs = 1_500 } = options
  const parts = createParts(options)
  try {
    const size = masters * (1 + replicasPerMaster)
    const members = await Promise.all(
      Array.from({ length: size }, () =>
        parts.clusterNode({ 'cluster-node-timeout': String(nodeTimeoutMs) }),
      ),
    )
    const nodes = members.map(({ node }) => node)
    await joinCluster(members, masters)
    const ids = new Map<string, RedisNode>()
    for (const node of nodes) ids.set(String(await eventually(() => node.command('CLUSTER', 'MYID'))), node)
    const idOf = (node: RedisNode) => [...ids].find(([, other]) => other === node)?.[0] ?? ''

    return {
      ...parts.topology(nodes),
      url: `redis+cluster://${nodes
        .slice(0, Math.max(3, masters))
        .map(({ address }) => address)
        .join(',')}`,
      async primaryOf(key) {
        for (const node of nodes) {
          const slot = Number(await node.command('CLUSTER', 'KEYSLOT', key).catch(() => -1))
          if (slot < 0) continue
          const ranges = (await node.command('CLUSTER', 'SLOTS').catch(() => [])) as [
            number,
            number,
            [string, number, string],
          ][]
          const range = ranges.find(([from, to]) => slot >= from && slot <= to)
          const primary = range && ids.get(range[2][2])
          if (primary) return primary
        }
        throw new Error('no node of the cluster answers')
      },
      replicasOf: (primary) =>
        nodesOf(nodes, async (node) => {
          const myself = (await clusterNodes(node)).find((line) => line.includes('myself')) ?? ''
          return myself.split(' ')[3] === idOf(primary)
        }),
      async failover(replica, mode) {
        // A second one would interrupt the first, which a late answer does not say anything about.
        await replica.command('CLUSTER', 'FAILOVER', ...(mode ? [mode] : [])).catch(unless(/timed out/))
        await eventually(async () => {
          if ((await roleOf(replica)) !== 'master') throw new Error('the replica was not promoted')
        })
      },
    }
  } catch (cause) {
    await parts.stop()
    throw cause
  }
}

interface ClusterMember {
  readonly node: RedisNode
  readonly busPort: number
}

async function joinCluster(members: readonly ClusterMember[], masters: number): Promise<void> {
  const slots = 16_384
  const first = members[0]!
  for (const [index, { node }] of members.entries()) {
    if (index > 0) {
      await eventually(() => node.command('CLUSTER', 'MEET', host, first.node.port, first.busPort))
    }
    if (index >= masters) continue
    const [from, to] = [index, index + 1].map((part) => Math.floor((part * slots) / masters)) as [
      number,
      number,
    ]
    await eventually(() =>
      node.command('CLUSTER', 'ADDSLOTSRANGE', from, to - 1).catch(unless(/already busy/)),
    )
    // Distinct from the start: nodes with equal epochs would first have to find that out.
    await node.command('CLUSTER', 'SET-CONFIG-EPOCH', index + 1).catch(() => {})
  }
  await eventually(async () => {
    for (const { node } of members) {
      const known = (await clusterNodes(node)).filter((line) => !/handshake|noaddr|disconnected/.test(line))
      if (known.length !== members.length) throw new Error('a node does not know all of the cluster yet')
    }
  }, 30_000)
  for (const [index, { node }] of members.entries()) {
    if (index < masters) continue
    const primary = members[(index - masters) % masters]!.node
    await eventually(async () =>
      node.command('CLUSTER', 'REPLICATE', String(await primary.command('CLUSTER', 'MYID'))),
    )
  }
  await eventually(async () => {
    for (const { node } of members) {
      const state = String(await node.command('CLUSTER', 'INFO'))
      if (!state.includes('cluster_state:ok')) throw new Error('the cluster is not ready')
    }
    for (const { node } of members.slice(0, masters)) {
      await expectReplicas(node, members.length / masters - 1)
    }
  }, 30_000)
}

/** For failures that mean nothing: the command was carried out before, or may still be. */
function unless(harmless: RegExp) {
  return (cause: unknown): void => {
    if (!harmless.test(String(cause))) throw cause
  }
}

async function clusterNodes(node: RedisNode): Promise<string[]> {
  return String(await node.command('CLUSTER', 'NODES'))
    .trim()
    .split('\n')
}

async function expectReplicas(primary: RedisNode, count: number): Promise<void> {
  const info = await primary.info('replication')
  const online = [...info].filter(
    ([field, value]) => /^slave\d+$/.test(field) && value.includes('state=online'),
  )
  if (online.length !== count) throw new Error(`${online.length} of ${count} replicas follow`)
}

async function roleOf(node: RedisNode): Promise<string> {
  return (await node.info('replication')).get('role') ?? ''
}

async function nodesOf(
  nodes: readonly RedisNode[],
  wanted: (node: RedisNode) => Promise<boolean>,
): Promise<RedisNode[]> {
  const verdicts = await Promise.all(nodes.map((node) => wanted(node).catch(() => false)))
  return nodes.filter((_, index) => verdicts[index])
}

/** Starts the processes of one topology, and ends them all. */
function createParts({ config = {}, persistence = 'none', partitions = false }: TopologyOptions) {
  const network: RedisNetwork | null = partitions ? createRedisNetwork() : null
  const undo: (() => Promise<unknown>)[] = []

  /** A node that listens at a port of its own, and is reached there or over the network. */
  async function node(
    announce: (port: number, busPort: number) => Record<string, string>,
    withBus: boolean,
  ): Promise<ClusterMember> {
    const party: { pid: number } = { pid: 0 }
    const data = (await network?.open(party, 'data')) ?? null
    const bus = withBus ? ((await network?.open(party, 'bus')) ?? null) : null
    const busPort = withBus ? await freePort() : 0
    const server = await startRedis({
      persistence,
      config: {
        ...config,
        ...(withBus ? { 'cluster-port': String(busPort) } : {}),
        ...announce(data?.port ?? 0, bus?.port ?? 0),
      },
    })
    undo.push(() => server.stop())
    const ownPort = Number(new URL(server.url).port)
    data?.leadTo(ownPort)
    bus?.leadTo(busPort)
    const made = describeNode(server, party, data, ownPort)
    party.pid = await processIdOf(made)
    return { node: made, busPort: bus?.port ?? busPort }
  }

  async function dataNode(more: Record<string, string>): Promise<RedisNode> {
    const { node: made } = await node(
      (port) => ({
        'repl-diskless-sync-delay': '0',
        ...(port > 0 ? { 'replica-announce-ip': host, 'replica-announce-port': String(port) } : {}),
      }),
      false,
    )
    // Not in its configuration: the values there are single words.
    if (more.replicaof) await made.command('REPLICAOF', ...more.replicaof.split(' '))
    return made
  }

  function clusterNode(more: Record<string, string>): Promise<ClusterMember> {
    return node(
      (port, bus) => ({
        'cluster-enabled': 'yes',
        'repl-diskless-sync-delay': '0',
        ...(port > 0
          ? {
              'cluster-announce-ip': host,
              'cluster-announce-port': String(port),
              'cluster-announce-bus-port': String(bus),
            }
          : {}),
        ...more,
      }),
      true,
    )
  }

  async function sentinel(lines: readonly string[]): Promise<RedisNode> {
    const directory = await mkdtemp(path.join(tmpdir(), 'lockstep-sentinel-'))
    const party: { pid: number } = { pid: 0 }
    const entry = (await network?.open(party, 'data')) ?? null
    const ownPort = await freePort()
    entry?.leadTo(ownPort)
    const announced = entry ? [`sentinel announce-ip ${host}`, `sentinel announce-port ${entry.port}`] : []
    const file = path.join(directory, 'sentinel.conf')
    const head = [`port ${ownPort}`, `bind ${host}`, `dir ${directory}`]
    await writeFile(file, [...head, ...announced, ...lines, ''].join('\n'))
    const process_ = await startSentinelProcess(file)
    undo.push(async () => {
      await process_.end('SIGKILL')
      await rm(directory, { recursive: true, force: true })
    })
    party.pid = process_.pid
    const made: RedisNode = {
      ...reach(entry?.port ?? ownPort, ownPort),
      get pid() {
        return party.pid
      },
      kill: (signal = 'SIGKILL') => process_.end(signal),
      async restart() {
        await process_.launch()
        party.pid = process_.pid
        await eventually(() => made.command('PING'))
      },
      freeze: () => process_.signal('SIGSTOP'),
      thaw: () => process_.signal('SIGCONT'),
    }
    parties.set(made, party)
    await eventually(() => made.command('PING'))
    return made
  }

  /** The network knows a node by the party for which it opened a port. */
  const parties = new Map<Party, Party>()
  const known = (side: readonly Party[]) => side.map((party) => parties.get(party) ?? party)

  function describeNode(
    server: TestRedis,
    party: { pid: number },
    entry: NetworkPort | null,
    ownPort: number,
  ): RedisNode {
    const made: RedisNode = {
      ...reach(entry?.port ?? ownPort, ownPort),
      get pid() {
        return party.pid
      },
      kill: (signal = 'SIGKILL') => server.kill(signal),
      async restart() {
        await server.restart()
        party.pid = await processIdOf(made)
      },
      freeze: server.freeze,
      thaw: server.thaw,
    }
    parties.set(made, party)
    return made
  }

  async function stop(): Promise<void> {
    await Promise.all(undo.splice(0).map((end) => end()))
    await network?.stop()
  }

  function theNetwork(): RedisNetwork {
    if (!network) throw new Error('start it with { partitions: true }')
    return network
  }

  function topology(nodes: readonly RedisNode[]): Omit<Topology, 'url'> {
    return {
      nodes,
      cut: (side, other) => theNetwork().cut(known(side), other && known(other)),
      cutReplication: (primary) =>
        theNetwork().cut(known([primary]), known(nodes.filter((other) => other !== primary)), 'data'),
      stop,
    }
  }

  return { dataNode, clusterNode, sentinel, topology, stop }
}

function reach(port: number, ownPort: number) {
  async function command(name: string, ...args: readonly (string | number)[]): Promise<unknown> {
    const client = new Redis({
      host,
      port: ownPort,
      connectTimeout: 1_000,
      commandTimeout: 1_000,
      retryStrategy: null,
      enableReadyCheck: false,
      lazyConnect: true,
    })
    client.on('error', () => {})
    try {
      return await client.call(name, ...args)
    } finally {
      client.disconnect()
    }
  }
  return {
    address: `${host}:${port}`,
    port,
    command,
    async info(section = 'all') {
      const text = String(await command('INFO', section))
      return new Map(
        text.split('\r\n').flatMap((line): [string, string][] => {
          const colon = line.indexOf(':')
          return colon > 0 ? [[line.slice(0, colon), line.slice(colon + 1)]] : []
        }),
      )
    },
  }
}

/** Its own, which may be a child of the process that was started. */
async function processIdOf(node: Pick<RedisNode, 'info'>): Promise<number> {
  return Number((await node.info('server')).get('process_id'))
}

async function startSentinelProcess(file: string) {
  const [program = '', ...args] = commandOf(await testRedisServer())
  let child: ChildProcess
  function launch(): void {
    child = spawn(program, [...args, file, '--sentinel'], { stdio: 'ignore' })
    trackChild(child.pid ?? 0, 'the Sentinel of a test')
  }
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null
  launch()
  return {
    get pid() {
      return child.pid ?? 0
    },
    async launch() {
      if (!hasEnded()) throw new Error('the Sentinel still runs')
      launch()
    },
    signal: (signal: NodeJS.Signals) => void child.kill(signal),
    async end(signal: NodeJS.Signals) {
      if (hasEnded()) return
      const ended = once(child, 'exit')
      child.kill('SIGCONT')
      child.kill(signal)
      await ended
    },
  }
}
