/**
 * The scripts, with what is asked and what is answered; the only place that knows the order of their arguments.
 * A grant-making script begins with the same arguments and answers, which `ledgers.ts` provides and checks.
 */
import type { Redis } from 'ioredis'
import { loadScript, runScript, type Script } from '../kernel/redis/script.ts'
import type { OnDataLoss, Terms } from './policy.ts'

const folder = new URL('./lua/', import.meta.url)
const attemptScript = loadScript(folder, 'attempt')
const decideScript = loadScript(folder, 'decide')
const forgetScript = loadScript(folder, 'forget')
const foundScript = loadScript(folder, 'found')
const inspectScript = loadScript(folder, 'inspect')
const leaseScript = loadScript(folder, 'lease')
const letGoScript = loadScript(folder, 'let_go')
const pardonScript = loadScript(folder, 'pardon')
const refundScript = loadScript(folder, 'refund')
const standingScript = loadScript(folder, 'standing')
const stepScript = loadScript(folder, 'step')
const trustScript = loadScript(folder, 'trust')

/** What a worker tells Redis with each request for a grant. */
export interface Preamble {
  /** Unique; also names the epoch, where the request begins one. */
  readonly requestId: string
  readonly seenEpoch: string
  readonly seenRun: string
  /** Tokens that had been charged in all. */
  readonly seenGrants: number
  readonly seenLosses: number
  readonly seenLossAt: number
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
  /** Milliseconds that Redis' clock has been set forward in this epoch: `now` goes on without them. */
  readonly ahead: number
  /** How often charges were lost, when last, and for how long that still matters. */
  readonly losses: number
  readonly lossAt: number
  readonly recoveringMs: number
}

/** What is asked of one ledger. */
export interface LeaseClaim {
  readonly ledger: string
  readonly terms: LeaseTerms
  readonly want: number
  readonly need: number
}

/** What several ledgers may have in common: the same object is sent once. */
export interface LeaseTerms {
  readonly limit: number
  readonly keepMs: number
  readonly slotMs: number
  /** By how much the term is longer than `keepMs` allows for. */
  readonly extraMs: number
  readonly divisor: number
  readonly onDataLoss: OnDataLoss
  /** How long what was lost can matter: window and longest term. */
  readonly recoverMs: number
}

export interface LeaseAnswers {
  readonly postmark: Postmark
  /** In the order of the claims. */
  readonly answers: readonly LeaseAnswer[]
}

export interface LeaseAnswer {
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
  readonly birth: number
}

export interface AttemptRule {
  /** Null: no such limit. */
  readonly limit: number | null
  readonly keepMs: number
  readonly slotMs: number
}

export interface GuessRules {
  readonly address: AttemptRule
  readonly account: AttemptRule
}

export interface AttemptClaim extends GuessRules {
  /** Of all guesses together. */
  readonly mostGuesses: number
  readonly firstDelayMs: number
  readonly longestDelayMs: number
  /** The longest that a place is held. */
  readonly holdMs: number
  readonly onDataLoss: OnDataLoss
}

/** Every key of one guess. */
export interface GuessKeys {
  readonly record: string
  readonly ledgers: {
    readonly address: string
    readonly pair: string
    readonly account: string
    readonly all: string
  }
  readonly held: { readonly address: string; readonly pair: string; readonly account: string }
  readonly ticket: string
  readonly pardon: string
}

export interface AttemptAnswer {
  readonly postmark: Postmark
  readonly verdict: 'go' | 'quarantine' | 'blocked' | 'delayed' | 'busy'
  readonly waitMs: number
  readonly violated: readonly ('address' | 'account' | 'all')[]
}

/** What may have been lost of what is counted. */
export interface RecordStanding {
  /** False: the next charge begins one, and takes all for lost. */
  readonly exists: boolean
  readonly losses: number
  /** Tokens that can have been lost. */
  readonly lost: number
  readonly recoveringMs: number
}

export interface Standing {
  readonly charged: number
  /** The limit in force: lower than configured while that makes up for a loss. */
  readonly limit: number
  readonly waitMs: number
  readonly quarantineMs: number
}

/** Asks for all claims at once; each is granted or refused on its own. */
export async function lease(
  redis: Redis,
  record: string,
  preamble: Preamble,
  claims: readonly LeaseClaim[],
): Promise<LeaseAnswers> {
  const keys = [record]
  const numbers = new Map<LeaseTerms, number>()
  const asked: number[] = []
  for (const { ledger, terms, want, need } of claims) {
    let number = numbers.get(terms)
    if (number === undefined) numbers.set(terms, (number = numbers.size + 1))
    keys.push(ledger)
    if (want === 1 && need === 1) asked.push(number)
    else asked.push(-number, want, need)
  }
  const args = preambleArgs(preamble)
  args.push(numbers.size)
  for (const { limit, keepMs, slotMs, extraMs, divisor, onDataLoss, recoverMs } of numbers.keys()) {
    args.push(limit, keepMs, slotMs, extraMs, divisor, onDataLoss, recoverMs)
  }
  for (const value of asked) args.push(value)
  const reply = await run(redis, leaseScript, keys, args)
  const answers: LeaseAnswer[] = []
  for (let at = postmarkSize; answers.length < claims.length; at += leaseAnswerSize) {
    const granted = integer(reply[at])
    answers.push({
      granted: Math.max(0, granted),
      free: integer(reply[at + 1]),
      waitMs: Math.max(0, -granted),
      place: { slot: integer(reply[at + 2]), birth: integer(reply[at + 3]) },
      quarantined: reply[at + 3] === inQuarantine,
    })
  }
  return { postmark: parsePostmark(reply), answers }
}

const postmarkSize = 9
const leaseAnswerSize = 4
/** No birth. */
const inQuarantine = -1

/** Holds a place for a guess. Its id is that of the request. */
export async function attempt(
  redis: Redis,
  { record, ledgers, held, ticket, pardon }: GuessKeys,
  preamble: Preamble,
  claim: AttemptClaim,
): Promise<AttemptAnswer> {
  const { mostGuesses, firstDelayMs, longestDelayMs, holdMs, onDataLoss } = claim
  const reply = await run(
    redis,
    attemptScript,
    [record, ...ledgerKeys(ledgers), ...heldKeys(held), ticket, pardon],
    [
      ...preambleArgs(preamble),
      ...ruleArgs(claim),
      mostGuesses,
      firstDelayMs,
      longestDelayMs,
      holdMs,
      onDataLoss,
    ],
  )
  return {
    postmark: parsePostmark(reply),
    verdict: oneOf(reply[9], ['go', 'quarantine', 'blocked', 'delayed', 'busy']),
    waitMs: integer(reply[10]),
    violated: text(reply[11])
      .split(',')
      .filter(Boolean)
      .map((word) => oneOf(word, ['address', 'account', 'all'])),
  }
}

/** Counts a guess that was wrong. */
export async function decide(
  redis: Redis,
  { record, ledgers, held, pardon }: GuessKeys,
  preamble: Preamble,
  rules: GuessRules,
  guessId: string,
): Promise<{ readonly postmark: Postmark }> {
  const reply = await run(
    redis,
    decideScript,
    [record, ...ledgerKeys(ledgers), ...heldKeys(held), pardon],
    [...preambleArgs(preamble), ...ruleArgs(rules), guessId],
  )
  return { postmark: parsePostmark(reply) }
}

/** Gives the places of a guess up that does not count. */
export async function letGo(redis: Redis, { held }: GuessKeys, guessId: string): Promise<void> {
  await runScript(redis, letGoScript, heldKeys(held), [guessId])
}

const ledgerKeys = ({ address, pair, account, all }: GuessKeys['ledgers']) => [address, pair, account, all]
const heldKeys = ({ address, pair, account }: GuessKeys['held']) => [address, pair, account]

function ruleArgs({ address, account }: GuessRules): number[] {
  return [address, account].flatMap(({ limit, keepMs, slotMs }) => [limit ?? -1, keepMs, slotMs])
}

export interface RefundedGrant {
  readonly place: Place
  readonly tokens: number
  /** The run of the server, and the epoch, in which it was granted. */
  readonly run: string
  readonly epoch: string
  readonly keepMs: number
  readonly slotMs: number
  readonly lifetimeMs: number
}

/** Whether it was taken back; false also when that had been done before. */
export async function refund(
  redis: Redis,
  keys: { marker: string; ledger: string; record: string },
  grant: RefundedGrant,
): Promise<boolean> {
  const { place, tokens, run, epoch, lifetimeMs, keepMs, slotMs } = grant
  const args = [place.slot, tokens, place.birth, lifetimeMs, run, epoch, keepMs, slotMs]
  return (await runScript(redis, refundScript, [keys.marker, keys.ledger, keys.record], args)) === 1
}

export async function forget(
  redis: Redis,
  keys: { record: string; ledger: string },
  terms: { keepMs: number; slotMs: number },
): Promise<void> {
  await runScript(redis, forgetScript, [keys.record, keys.ledger], [terms.keepMs, terms.slotMs])
}

export async function inspect(
  redis: Redis,
  keys: { record: string; ledger: string },
  terms: Pick<Terms, 'limit' | 'windowMs' | 'keepMs' | 'slotMs' | 'longestTermMs'>,
  onDataLoss: OnDataLoss,
): Promise<Standing> {
  const { limit, windowMs, keepMs, slotMs, longestTermMs } = terms
  const args = [limit, keepMs, slotMs, onDataLoss, windowMs + longestTermMs]
  const reply = await run(redis, inspectScript, [keys.record, keys.ledger], args)
  return {
    charged: integer(reply[0]),
    limit: integer(reply[1]),
    waitMs: integer(reply[2]),
    quarantineMs: integer(reply[3]),
  }
}

/** Tells that Redis' clock was seen to be set forward by `stepMs`, in the epoch and after the steps of the postmark. */
export async function reportStep(
  redis: Redis,
  record: string,
  seen: Pick<Postmark, 'epoch' | 'ahead'>,
  stepMs: number,
): Promise<void> {
  await runScript(redis, stepScript, [record], [seen.epoch, seen.ahead, stepMs, stepSlackMs])
}

/** Lives of ledgers in Redis allow for a clock that is set forward by so much (lua/ledger.lua). */
const stepSlackMs = 1_000

export async function readStanding(redis: Redis, record: string, keepMs: number): Promise<RecordStanding> {
  const reply = await run(redis, standingScript, [record], [keepMs])
  return {
    exists: reply[0] === '1',
    losses: integer(reply[1]),
    lost: integer(reply[2]),
    recoveringMs: integer(reply[3]),
  }
}

/** Whether there was anything that the limits made up for. */
export async function trustRecord(redis: Redis, record: string, freshEpoch: string): Promise<boolean> {
  return (await runScript(redis, trustScript, [record], [freshEpoch])) === 1
}

export async function pardon(
  redis: Redis,
  keys: { record: string; pardon: string; ledger: string },
  lifetimeMs: number,
): Promise<void> {
  await runScript(redis, pardonScript, [keys.record, keys.pardon, keys.ledger], [lifetimeMs])
}

/** Whether this began the first record. */
export async function foundRecord(redis: Redis, record: string, freshEpoch: string): Promise<boolean> {
  return (await runScript(redis, foundScript, [record], [freshEpoch])) === 1
}

function preambleArgs(preamble: Preamble): (string | number)[] {
  const { requestId, seenEpoch, seenRun, seenGrants, seenLosses, seenLossAt } = preamble
  return [requestId, seenEpoch, seenRun, seenGrants, seenLosses, seenLossAt]
}

function parsePostmark(reply: readonly unknown[]): Postmark {
  return {
    requestId: text(reply[0]),
    now: integer(reply[1]),
    epoch: text(reply[2]),
    run: text(reply[3]),
    grants: integer(reply[4]),
    ahead: integer(reply[5]),
    losses: integer(reply[6]),
    lossAt: integer(reply[7]),
    recoveringMs: integer(reply[8]),
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
