/** One typed function per script of `lua/`; no one else knows the order of their arguments. Errors are Redis' own. */
import type { Redis } from 'ioredis'
import { asCount, asList, asText } from '../kernel/redis/replies.ts'
import { runReplicated } from '../kernel/redis/replicated.ts'
import { isUnknownScript, loadScript, runScript, type Script } from '../kernel/redis/script.ts'
import type { DurabilityMode, Member, Recorded, Stamp } from './coherence.ts'
import { maximumLeaseMs, replicationShare } from './constants.ts'
import { replicasNeeded, type Failover, type NodeAddress } from './failover.ts'
import type { PrimaryView } from './promotion.ts'
import { freshValue } from './fresh-value.ts'
import type { CoherenceKeys } from './keys.ts'
import type { Look } from './looks.ts'
import { watchServer } from './server-identity.ts'

export interface DomainSettings {
  readonly keys: Pick<CoherenceKeys, 'domain' | 'channel'>
  readonly durability: DurabilityMode
  /** The furthest that this process has seen the domain: Redis must not fall behind it. */
  readonly position?: () => Stamp
}

export interface CoherenceScriptSettings extends DomainSettings {
  /** Mode failover: a sync counts only once enough replicas have it. Without it none is confirmed. */
  readonly failover?: (Pick<Failover, 'confirming' | 'dataNodes'> & { readonly leaseMs: number }) | undefined
}

/** What the scripts of this mode need besides. */
function featuresOf(durability: DurabilityMode): string[] {
  return durability === 'failover' ? ['failover'] : []
}

/** Mode failover: the primary was promoted, and has not opened yet. */
export function isPending(failure: unknown): boolean {
  return failure instanceof Error && failure.message.startsWith('PENDING ')
}

/** One sync of a member. */
export interface SyncRequest {
  readonly id: string
  /** The incarnation that `applied` speaks of. */
  readonly inc: string
  readonly applied: number
  readonly leaseMs: number
  readonly settled: boolean
  /** Grows with each sync of this member. */
  readonly order: number
  /** Has the script ask which server this is, whatever is known of the connection. */
  readonly verify?: boolean
}

export interface SyncReply extends Stamp {
  /** By the clock of Redis. */
  readonly redisMs: number
}

export type JoinReply =
  | { readonly agreed: true; readonly inc: string }
  | { readonly agreed: false; readonly theirs: string; readonly seen: string }

export type CoherenceScripts = ReturnType<typeof createCoherenceScripts>

/**
 * Runs a script that takes in `domain.lua`: the domain is its first key, a fresh value and what the caller knows are its
 * first arguments. The fresh value is never used twice.
 */
export function createDomainRunner(
  redis: Redis,
  lua: URL,
  { keys, durability, position = nowhere }: DomainSettings,
) {
  const scripts = new Map<string, Script>()
  const server = watchServer(redis)
  const features = featuresOf(durability)

  return function run(
    name: string,
    names: readonly string[],
    args: readonly (string | number)[],
    options: { readonly verify?: boolean } = {},
  ): Promise<unknown> {
    let script = scripts.get(name)
    if (!script) scripts.set(name, (script = loadScript(lua, name, features)))
    const { sha1, source } = script
    const fresh = freshValue()
    const send = (run: (...rest: (string | number)[]) => Promise<unknown>) =>
      server.ask(
        (runId) =>
          run(
            names.length + 1,
            keys.domain,
            ...names,
            fresh,
            callerOf(durability, runId, position()),
            ...args,
          ),
        options,
      )
    // As runScript does, but each command says what is true when it is written: another connection may lead elsewhere.
    return send((...rest) => redis.evalsha(sha1, ...(rest as [number]))).catch((failure: unknown) => {
      if (!isUnknownScript(failure)) throw failure
      return send((...rest) => redis.eval(source, ...(rest as [number])))
    })
  }
}

/** What every script of the domain is told of its caller; see lua/domain.lua. */
function callerOf(durability: DurabilityMode, runId: string, { inc, seq }: Stamp): string {
  return `${durability} ${runId} ${inc} ${seq}`
}

function nowhere(): Stamp {
  return { inc: '', seq: 0 }
}

export function createCoherenceScripts(redis: Redis, settings: CoherenceScriptSettings) {
  const { keys, durability, failover, position = nowhere } = settings
  const lua = new URL('./lua/', import.meta.url)
  const run = createDomainRunner(redis, lua, settings)
  const [expel, leave] = [loadScript(lua, 'expel'), loadScript(lua, 'leave')]
  const writes = new Map<string, Script>()

  /** A write that counts once the replicas that are needed have it too; outside of mode failover, at once. */
  async function write(name: 'sync' | 'confirm', args: readonly (string | number)[]): Promise<unknown> {
    if (!failover) return run(name, [], args)
    const wanted = replicasNeeded(failover.dataNodes)
    let script = writes.get(name)
    if (!script) writes.set(name, (script = loadScript(lua, name, featuresOf(durability))))
    const all = [freshValue(), callerOf(durability, '-', position()), ...args]
    const written = await runReplicated(failover.confirming, script, [keys.domain], all, {
      replicas: wanted,
      timeoutMs: Math.ceil(failover.leaseMs * replicationShare),
    })
    if (written.replicas < wanted) {
      throw new Error(`${written.replicas} replicas have confirmed a write that ${wanted} must have`)
    }
    return written.reply
  }

  return {
    async announce(kind: string, text: string): Promise<Recorded> {
      return parseRecorded(await run('announce', [], [keys.channel, kind, text]), 'announce')
    },

    /**
     * Asks to become a member. `seen` is what a refusal said before: when it is still so, those who disagree are gone.
     */
    async join(seen: string): Promise<JoinReply> {
      const [inc, outcome, theirs, now] = asList(await run('join', [], [seen]), 'join')
      if (outcome === 'agreed') return { agreed: true, inc: asText(inc, 'join') }
      return { agreed: false, theirs: asText(theirs, 'join'), seen: asText(now, 'join') }
    },

    async sync(request: SyncRequest): Promise<SyncReply> {
      const { id, inc, applied, leaseMs, settled, order, verify = false } = request
      const most = failover ? failover.dataNodes - 1 : ''
      const args = [id, inc, applied, leaseMs, settled ? '1' : '0', order, most]
      const reply = asList(await (failover ? write('sync', args) : run('sync', [], args, { verify })), 'sync')
      return {
        inc: asText(reply[0], 'sync'),
        seq: asCount(reply[1], 'sync'),
        redisMs: asCount(reply[2], 'sync'),
      }
    },

    /** Writes something, and tells in which incarnation: what was written before is kept when it is. */
    async confirmWrite(): Promise<string> {
      return asText(await write('confirm', []), 'confirm')
    },

    async describePrimary(): Promise<PrimaryView> {
      const [standing, replid, followed, listed, places] = asList(await run('replicas', [], []), 'replicas')
      return {
        standing: asText(standing, 'replicas') as PrimaryView['standing'],
        replid: asText(replid, 'replicas'),
        followed: asText(followed, 'replicas'),
        listed: asText(listed, 'replicas').split(',').filter(Boolean),
        replicas: parseAddresses(places),
      }
    },

    /** Notes which processes follow the log of the primary. */
    async enlist(replid: string, runIds: readonly string[]): Promise<void> {
      await run('enlist', [], [replid, runIds.join(',')])
    },

    /** True when the promoted node with this log is open now, and the epoch goes on. */
    async openPromoted(replid: string, votes: readonly string[]): Promise<boolean> {
      const needed = replicasNeeded(failover?.dataNodes ?? Infinity)
      return (await run('open_promoted', [], [replid, needed, ...votes])) === 1
    },

    /** True when the promoted node with this log is open now, in a new epoch. */
    async giveUpPromoted(replid: string): Promise<boolean> {
      return (await run('give_up', [], [replid])) === 1
    },

    /** How far those of the members are that are still listed. */
    async acks(memberIds: readonly string[]): Promise<Look> {
      const [inc, seq, values] = asList(await run('acks', [], memberIds), 'acks')
      const found = asList(values, 'acks').flatMap((value, i) =>
        value === null ? [] : [parseMember(memberIds[i] ?? '', String(value))],
      )
      return { inc: asText(inc, 'acks'), seq: asCount(seq, 'acks'), members: found }
    },

    /** Forgets the member, only if its entry is still the one that was seen. */
    async expel(inc: string, member: Member): Promise<void> {
      await runScript(redis, expel, [keys.domain], [inc, member.id, member.value])
    },

    /** Takes a member off the list that holds nothing any more. */
    async leave(memberId: string): Promise<void> {
      await runScript(redis, leave, [keys.domain], [memberId])
    },

    /** Begins a new incarnation and a new epoch. */
    async fence(): Promise<void> {
      await run('fence', [], [])
    },
  }
}

/** `{ inc, seq, settled, members, count }`, with which every script that announces begins its reply. */
export function parseRecorded(reply: unknown, script: string): Recorded {
  const [inc, seq, settled, members, count] = asList(reply, script)
  return {
    inc: asText(inc, script),
    seq: asCount(seq, script),
    settled: settled === '1',
    members: parseMembers(members, script),
    count: asCount(count, script),
  }
}

/** `[host, port, host, port …]` */
function parseAddresses(reply: unknown): NodeAddress[] {
  const flat = asList(reply, 'replicas')
  const addresses: NodeAddress[] = []
  for (let i = 0; i + 1 < flat.length; i += 2) {
    addresses.push({ host: asText(flat[i], 'replicas'), port: asCount(flat[i + 1], 'replicas') })
  }
  return addresses
}

/** `[id, value, id, value …]` */
function parseMembers(reply: unknown, script: string): Member[] {
  const flat = asList(reply, script)
  const members: Member[] = []
  for (let i = 0; i + 1 < flat.length; i += 2) members.push(parseMember(String(flat[i]), String(flat[i + 1])))
  return members
}

/** `applied:lease:order`. A member that can't be read counts as the worst. */
function parseMember(id: string, value: string): Member {
  const match = /^(\d+):(\d+):\d+$/.exec(value)
  return {
    id,
    value,
    applied: match ? Number(match[1]) : -1,
    leaseMs: Math.min(Number(match?.[2]) || maximumLeaseMs, maximumLeaseMs),
  }
}
