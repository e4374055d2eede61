/**
 * The scripts, with what is asked and what is answered; the only place that knows the order of their arguments.
 * A grant-making script begins with the same arguments and answers, which `ledgers.ts` provides and checks.
 */
import type { Redis } from 'ioredis'
import { loadScript, runScript, type Script } from '../kernel/redis/script.ts'

const folder = new URL('./lua/', import.meta.url)
const attemptScript = loadScript(folder, 'attempt')
const foundScript = loadScript(folder, 'found')
const inspectScript = loadScript(folder, 'inspect')
const leaseScript = loadScript(folder, 'lease')
const pardonScript = loadScript(folder, 'pardon')
const refundScript = loadScript(folder, 'refund')
const renewEpochScript = loadScript(folder, 'renew_epoch')

/** What a worker tells Redis with each request for a grant. */
export interface Preamble {
  /** Unique; also names the epoch, where the request begins one. */
  readonly requestId: string
  readonly seenEpoch: string
  readonly seenRun: string
  readonly seenGrants: number
}

/** What Redis tells with each grant or refusal. */
export interface Postmark {
  /** Of the request that this answers: another one's answer is worth nothing. */
  readonly requestId: string
  /** Redis' clock, ms. */
  readonly now: number
  readonly epoch: string
  readonly run: string
  readonly grants: number
}

export interface LeaseClaim {
  readonly limit: number
  readonly keepMs: number
  readonly slotMs: number
  readonly want: number
  readonly need: number
  readonly divisor: number
  readonly quarantine: boolean
}

export interface LeaseAnswer {
  readonly postmark: Postmark
  /** 0 when refused. */
  readonly granted: number
  /** Left after the grant. */
  readonly free: number
  readonly waitMs: number
  readonly quarantined: boolean
  readonly place: Place
}

/** Where a grant was charged, for a refund. */
export interface Place {
  readonly slot: number
  readonly birth: string
}

export interface AttemptRule {
  /** Null: no such limit. */
  readonly limit: number | null
  readonly keepMs: number
  readonly slotMs: number
}

export interface AttemptClaim {
  readonly address: AttemptRule
  readonly account: AttemptRule
  readonly firstDelayMs: number
  readonly longestDelayMs: number
  readonly quarantine: boolean
}

export interface AttemptAnswer {
  readonly postmark: Postmark
  readonly verdict: 'go' | 'quarantine' | 'blocked' | 'delayed'
  readonly waitMs: number
  /** Of `address` and `account`. */
  readonly violated: readonly string[]
  /** Of the address, the address with the account, the account; null where there is no such limit. */
  readonly places: readonly (Place | null)[]
}

export interface Standing {
  readonly charged: number
  readonly waitMs: number
  readonly quarantineMs: number
}

export async function lease(
  redis: Redis,
  keys: { epoch: string; ledger: string },
  preamble: Preamble,
  claim: LeaseClaim,
): Promise<LeaseAnswer> {
  const reply = await run(
    redis,
    leaseScript,
    [keys.epoch, keys.ledger],
    [
      ...preambleArgs(preamble),
      claim.limit,
      claim.keepMs,
      claim.slotMs,
      claim.want,
      claim.need,
      claim.divisor,
      claim.quarantine ? '1' : '0',
    ],
  )
  return {
    postmark: parsePostmark(reply),
    granted: integer(reply[5]),
    free: integer(reply[6]),
    waitMs: integer(reply[7]),
    quarantined: reply[8] === '1',
    place: { slot: integer(reply[9]), birth: text(reply[10]) },
  }
}

export async function attempt(
  redis: Redis,
  keys: { epoch: string; address: string; pair: string; account: string; ticket: string; pardon: string },
  preamble: Preamble,
  claim: AttemptClaim,
): Promise<AttemptAnswer> {
  const ruleArgs = ({ limit, keepMs, slotMs }: AttemptRule) => [limit ?? -1, keepMs, slotMs]
  const reply = await run(
    redis,
    attemptScript,
    [keys.epoch, keys.address, keys.pair, keys.account, keys.ticket, keys.pardon],
    [
      ...preambleArgs(preamble),
      ...ruleArgs(claim.address),
      ...ruleArgs(claim.account),
      claim.firstDelayMs,
      claim.longestDelayMs,
      claim.quarantine ? '1' : '0',
    ],
  )
  const place = (i: number) =>
    reply[i] === '' || reply[i] === undefined ? null : { slot: integer(reply[i]), birth: text(reply[i + 1]) }
  return {
    postmark: parsePostmark(reply),
    verdict: oneOf(reply[5], ['go', 'quarantine', 'blocked', 'delayed']),
    waitMs: integer(reply[6]),
    violated: text(reply[7]).split(',').filter(Boolean),
    places: [place(8), place(10), place(12)],
  }
}

/** Whether it was taken back; false also when that had been done before. */
export async function refund(
  redis: Redis,
  keys: { marker: string; ledger: string },
  grant: { place: Place; tokens: number; lifetimeMs: number },
): Promise<boolean> {
  const { place, tokens, lifetimeMs } = grant
  const args = [place.slot, tokens, place.birth, lifetimeMs]
  return (await runScript(redis, refundScript, [keys.marker, keys.ledger], args)) === 1
}

export async function inspect(
  redis: Redis,
  keys: { epoch: string; ledger: string },
  terms: { limit: number; keepMs: number; slotMs: number },
): Promise<Standing> {
  const args = [terms.limit, terms.keepMs, terms.slotMs]
  const reply = await run(redis, inspectScript, [keys.epoch, keys.ledger], args)
  return { charged: integer(reply[0]), waitMs: integer(reply[1]), quarantineMs: integer(reply[2]) }
}

export async function renewEpoch(
  redis: Redis,
  epochKey: string,
  seenEpoch: string,
  freshEpoch: string,
): Promise<void> {
  await runScript(redis, renewEpochScript, [epochKey], [seenEpoch, freshEpoch])
}

export async function pardon(
  redis: Redis,
  keys: { epoch: string; pardon: string; ledger: string },
  lifetimeMs: number,
): Promise<void> {
  await runScript(redis, pardonScript, [keys.epoch, keys.pardon, keys.ledger], [lifetimeMs])
}

/** Whether this began the first epoch. */
export async function foundEpoch(redis: Redis, epochKey: string, freshEpoch: string): Promise<boolean> {
  return (await runScript(redis, foundScript, [epochKey], [freshEpoch])) === 1
}

function preambleArgs(preamble: Preamble): (string | number)[] {
  const { requestId, seenEpoch, seenRun, seenGrants } = preamble
  return [requestId, seenEpoch, seenRun, seenGrants]
}

function parsePostmark(reply: readonly unknown[]): Postmark {
  return {
    requestId: text(reply[0]),
    now: integer(reply[1]),
    epoch: text(reply[2]),
    run: text(reply[3]),
    grants: integer(reply[4]),
  }
}

async function run(
  redis: Redis,
  script: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<unknown[]> {
  const reply = await runScript(redis, script, keys, args)
  if (!Array.isArray(reply)) throw new TypeError(`Redis answered the script ${script.name} with no list`)
  return reply
}

function integer(value: unknown): number {
  if (!Number.isSafeInteger(value)) throw new TypeError('Redis answered with something else than a number')
  return value as number
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError('Redis answered with something else than text')
  return value
}

function oneOf<T extends string>(value: unknown, words: readonly T[]): T {
  const word = words.find((known) => known === value)
  if (word === undefined) throw new TypeError('Redis answered with an unknown word')
  return word
}
