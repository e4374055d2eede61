import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { foundLimits } from '../../server/cluster/boot/found-limits.ts'
import { accountMail, allJobs, registration } from '../../server/jobs.ts'
import type { AccountMails } from '../../server/web/features/auth/account-mails.ts'
import type { Readiness } from '../../server/web/features/health/readiness.ts'
import type { ConnectionBounds } from '../../server/web/live/connections.ts'
import { createWebWorker } from '../../server/web/worker.ts'
import type { Account, AccountStore, Passwords } from '../../shared/accounts/accounts.ts'
import type { IdentityProvider } from '../../shared/accounts/identity-provider.ts'
import { issueResetToken } from '../../shared/accounts/mail-tokens.ts'
import { defineApp } from '../../shared/app/app.ts'
import type { Route } from '../../shared/app/route.ts'
import type { Socket, Stream } from '../../shared/app/stream.ts'
import { freshValue } from '../../shared/coherence/index.ts'
import { loadConfig } from '../../shared/config/config.ts'
import { deploymentKeys, unnamedSpace, type DeploymentKeys } from '../../shared/deployment/deployment-keys.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import type { Broadcast } from '../../shared/live/broadcast.ts'
import type { Mail } from '../../shared/mail/mailer.ts'
import type { AnyJob } from '../../shared/queues/job.ts'
import type { SessionService } from '../../shared/sessions/create-sessions.ts'

/** The HTTP side of a worker, here in the test's process, over a real Redis and a real database. */
export interface HttpApp {
  /** What the keys of its sessions and limits begin with. */
  readonly domain: string
  readonly sessions: SessionService
  readonly accounts: AccountStore
  readonly readiness: Readiness
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  readonly broadcast: Broadcast
  /** Streams and sockets that are open, or being opened. */
  connections(): number
  /** What was sent so far. */
  readonly mails: readonly Mail[]
  /** How many passwords were compared so far, with a real hash or not. */
  comparisons(): number
  /** Everything that was logged, at the finest level. */
  log(): string
  /** One request, on a connection of its own. */
  request(method: string, path: string, options?: RequestOptions): Promise<Answer>
  /** An account with this e-mail address and `password`. */
  register(email: string, roles?: readonly string[]): Promise<Account>
  /** Signs in and gives the token. */
  signIn(email: string, more?: object): Promise<string>
  stop(): Promise<void>
}

export interface RequestOptions {
  /** Sent as Authorization: Bearer. */
  readonly bearer?: string
  /** Sent as the cookie `sid`, as a browser would from our own pages. */
  readonly cookie?: string
  readonly json?: unknown
  /** Sent as it is; the headers must say what it is. */
  readonly body?: string | Buffer
  /** A list sends the header once for each of its values. */
  readonly headers?: Readonly<Record<string, string | string[]>>
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** Throws when it is not JSON. */
  // oxlint-disable-next-line typescript/no-explicit-any -- a test knows what it asked for
  json(): any
}

export interface HttpAppOptions {
  readonly redisUrl: string
  readonly env?: Readonly<Record<string, string>>
  readonly routes?: readonly Route[]
  readonly pages?: readonly Route[]
  /** The path of a style sheet of its own. */
  readonly stylesheet?: string
  readonly streams?: readonly Stream[]
  readonly sockets?: readonly Socket[]
  readonly liveBounds?: Partial<ConnectionBounds>
  readonly jobs?: readonly AnyJob[]
  /** Apps of the same domain share their sessions and limits, as workers do; else each has its own. */
  readonly domain?: string
  /** Puts something between the app and its sessions. */
  readonly interpose?: (sessions: SessionService) => SessionService
  readonly interposeAccounts?: (accounts: AccountStore) => AccountStore
  /** Who may sign in, when not the accounts. */
  readonly identity?: IdentityProvider
}

/** Satisfies our rules for passwords. */
export const password = 'four wooden spoons'

export async function startHttpApp(options: HttpAppOptions): Promise<HttpApp> {
  const { redisUrl, env = {}, interpose = (same) => same, interposeAccounts = (same) => same } = options
  const dataDir = await mkdtemp(join(tmpdir(), 'lockstep-http-'))
  const config = loadConfig({
    WORKERS: '1',
    DATA_DIR: dataDir,
    REDIS_URL: redisUrl,
    EXPOSE_WORKER: 'on',
    PORT: '0',
    SESSION_DURABILITY: 'keep',
    ...env,
  })
  const logged: string[] = []
  const log = pino({ level: 'trace' }, { write: (line: string) => void logged.push(line) })

  const { routes = [], pages = [], streams = [], sockets = [], jobs = [], stylesheet, identity } = options
  const app = defineApp({
    name: 'test',
    routes,
    pages,
    streams,
    sockets,
    // The built-in ones are there in any case.
    jobs: jobs.filter(({ name }) => !allJobs.some((own) => own.name === name)),
    ...(stylesheet === undefined ? {} : { stylesheet }),
    ...(identity === undefined ? {} : { accounts: identity }),
  })
  const { domain = freshValue() } = options
  const keys = keysOf(domain)
  await foundLimits({ kind: 'single', url: redisUrl }, keys.limits)
  const { passwords, comparisons } = countedPasswords()
  const mails: Mail[] = []
  const worker = createWebWorker({
    app,
    config,
    keys,
    slot: 1,
    log,
    onFatal: (cause) => {
      throw cause
    },
    replaced: {
      sessions: interpose,
      accounts: interposeAccounts,
      passwords,
      passwordProblem: (candidate) => (candidate.length < 8 ? 'must be at least 8 characters long' : null),
      // As the job does it, at once.
      requestPasswordReset: (accounts) => async (email) => {
        const account = await accounts.findByEmail(email)
        if (!account || account.disabled) return
        const link = `https://app.example.com/reset#token=${await issueResetToken(accounts, account.id)}`
        mails.push({ to: account.email, subject: 'reset', text: link })
      },
      accountMails: (accounts) => mailsAtOnce(accounts, mails),
      auditRetryMs: 50,
      readinessBoundMs: 500,
      ...(options.liveBounds ? { liveBounds: options.liveBounds } : {}),
    },
  })
  const { sessions, accounts, readiness, broadcast, connections } = worker.inside
  await accounts.migrate()
  await worker.start()

  const running: HttpApp = {
    domain,
    url: `http://127.0.0.1:${worker.port}`,
    broadcast,
    connections,
    sessions,
    accounts,
    readiness,
    mails,
    comparisons,
    log: () => logged.join(''),
    request: (method, path, request = {}) => send(worker.port, method, path, request),
    async register(email, roles = ['user']) {
      const passwordHash = await passwords.hash(password)
      const account = await accounts.create({
        email,
        name: email.split('@')[0] ?? email,
        roles,
        passwordHash,
      })
      if (account === 'email-taken') throw new Error(`${email} is registered already`)
      return account
    },
    async signIn(email, more = {}) {
      const answer = await running.request('POST', '/api/v1/auth/login', {
        json: { email, password, transport: 'token', ...more },
      })
      if (answer.status !== 200) throw new Error(`sign-in answered ${answer.status}: ${answer.text}`)
      return answer.json().token as string
    },
    async stop() {
      await worker.stop(deadlineIn(3_000))
      await rm(dataDir, { recursive: true, force: true })
    },
  }
  return running
}

/** Where an app of this domain has its keys: apart from those of others on the same Redis. */
function keysOf(domain: string): DeploymentKeys {
  return {
    ...deploymentKeys(unnamedSpace),
    sessions: domain,
    limits: domain,
    settings: `${domain}:settings`,
    live: domain,
    probe: `{${domain}}:probe`,
  }
}

/** The value of our cookie that an answer sets, `''` when it clears it, null when it leaves it alone. */
export function cookieSetBy(answer: Answer): string | null {
  const line = answer.headers['set-cookie']?.find((each) => /^(?:__Host-)?sid=/.test(each))
  return line === undefined ? null : (/=([^;]*)/.exec(line)?.[1] ?? null)
}

/** Real hashing is slow on purpose and is tested where it lives. */
function countedPasswords(): { passwords: Passwords; comparisons: () => number } {
  let compared = 0
  return {
    comparisons: () => compared,
    passwords: {
      hash: async (text) => `hash of ${text}`,
      async verify(hash, text) {
        compared++
        return hash === `hash of ${text}`
      },
    },
  }
}

/** As the jobs do it, at once. */
function mailsAtOnce(accounts: AccountStore, mails: Mail[]): AccountMails {
  const services = {
    accounts,
    mailer: { send: async (mail: Mail) => void mails.push(mail) },
    publicUrl: 'https://app.example.com',
  }
  async function run({ work }: AnyJob, data: object): Promise<void> {
    if (work.kind !== 'handler') throw new Error('this job has no handler here')
    await work.handler({ data } as never, { services } as never)
  }
  return {
    invite: ({ id: accountId }, locale) => run(accountMail, { kind: 'invitation', accountId, locale }),
    verify: ({ id: accountId }, locale) => run(accountMail, { kind: 'verification', accountId, locale }),
    register: (person, locale) => run(registration, { ...person, locale }),
  }
}

function send(port: number, method: string, path: string, options: RequestOptions): Promise<Answer> {
  const { bearer, cookie, json, headers } = options
  const body = json === undefined ? options.body : JSON.stringify(json)
  const chunked = headers?.['Transfer-Encoding'] !== undefined
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        host: '127.0.0.1',
        port,
        method,
        path,
        agent: new Agent({ keepAlive: false }),
        headers: {
          ...(json === undefined ? {} : { 'Content-Type': 'application/json' }),
          ...(body === undefined || chunked ? {} : { 'Content-Length': String(Buffer.byteLength(body)) }),
          ...(bearer === undefined ? {} : { Authorization: `Bearer ${bearer}` }),
          ...(cookie === undefined ? {} : { Cookie: `sid=${cookie}`, 'Sec-Fetch-Site': 'same-origin' }),
          ...headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString()
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            json: () => JSON.parse(text) as unknown,
          })
        })
      },
    )
    request.on('error', reject)
    request.end(body)
  })
}
