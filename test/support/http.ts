/** A small HTTP client that hides nothing: every header, the raw body, and which worker answered. */
import { once } from 'node:events'
import { request as httpRequest, type Agent, type ClientRequest, type IncomingHttpHeaders } from 'node:http'
import { recordSecret } from './run-records.ts'

export interface TestRequest {
  readonly method?: string
  /** An object is sent as JSON; text and bytes are sent as they are. */
  readonly body?: object | string | Buffer
  readonly headers?: Readonly<Record<string, string | string[]>>
  /** To keep a connection open over several requests; without one each request has its own. */
  readonly agent?: Agent
  readonly timeoutMs?: number
}

export interface TestResponse {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** The id of the worker that answered, when it tells. */
  readonly worker: string | undefined
  /** The cookies that it sets, by name; an empty value clears. */
  readonly cookies: ReadonlyMap<string, string>
  json(): any
}

/** Sends one request. Rejects when there is no complete answer within `timeoutMs` (default 10 s). */
export function send(url: string, options: TestRequest = {}): Promise<TestResponse> {
  const { outgoing, body, answer } = open(url, options)
  outgoing.end(body)
  return answer
}

/** A request that the server has begun to serve, and that cannot be answered before `finish` sends the rest. */
export interface HeldRequest {
  finish(): Promise<TestResponse>
}

/**
 * Sends the headers and half of the body. Resolves when the server has read the headers: it says `100 Continue` in
 * the same turn in which its handler begins.
 */
export async function hold(
  url: string,
  options: TestRequest & { body: object | string },
): Promise<HeldRequest> {
  const { outgoing, body, answer } = open(url, {
    ...options,
    headers: { expect: '100-continue', ...options.headers },
  })
  const bytes = Buffer.from(body ?? '')
  const half = Math.floor(bytes.length / 2)
  outgoing.flushHeaders()
  await Promise.race([once(outgoing, 'continue'), answer])
  outgoing.write(bytes.subarray(0, half))
  return {
    finish() {
      outgoing.end(bytes.subarray(half))
      return answer
    },
  }
}

interface OpenRequest {
  readonly outgoing: ClientRequest
  readonly body: string | Buffer | undefined
  readonly answer: Promise<TestResponse>
}

function open(url: string, options: TestRequest): OpenRequest {
  const { method = 'GET', agent, timeoutMs = 10_000 } = options
  const isJson = typeof options.body === 'object' && !Buffer.isBuffer(options.body)
  const body = isJson ? JSON.stringify(options.body) : (options.body as string | Buffer | undefined)
  const headers = {
    ...(isJson ? { 'content-type': 'application/json' } : {}),
    ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
    ...options.headers,
  }
  recordSecretsOf(isJson ? options.body : undefined, headers)

  const signal = AbortSignal.timeout(timeoutMs)
  const outgoing = httpRequest(url, { method, headers, agent: agent ?? false, signal })
  const answer = new Promise<TestResponse>((resolve, reject) => {
    outgoing.on('error', reject)
    outgoing.on('response', (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        resolve(responseOf(incoming.statusCode ?? 0, incoming.headers, text))
      })
    })
  })
  return { outgoing, body, answer }
}

function responseOf(status: number, headers: IncomingHttpHeaders, body: string): TestResponse {
  const cookies = new Map(
    (headers['set-cookie'] ?? []).map((line): [string, string] => {
      const [, name = '', value = ''] = /^([^=;]*)=([^;]*)/.exec(line) ?? []
      return [name, value]
    }),
  )
  for (const value of cookies.values()) recordSecret(value)
  const worker = headers['x-worker']
  const response = {
    status,
    headers,
    body,
    cookies,
    worker: typeof worker === 'string' ? worker : undefined,
    json: () => JSON.parse(body),
  }
  if (headers['content-type']?.includes('json') && body.includes('"token"'))
    recordSecret(response.json()?.token)
  return response
}

const secretFields = ['password', 'currentPassword', 'newPassword', 'token']

function recordSecretsOf(body: unknown, headers: Record<string, string | string[]>): void {
  for (const field of secretFields) recordSecret((body as Record<string, unknown> | undefined)?.[field])
  for (const [name, value] of Object.entries(headers)) {
    if (/^authorization$/i.test(name)) recordSecret(String(value).replace(/^bearer /i, ''))
    if (!/^cookie$/i.test(name)) continue
    for (const pair of String(value).split(';')) recordSecret(pair.slice(pair.indexOf('=') + 1).trim())
  }
}

/** Someone who is signed in, as the server sees them. */
export interface SignedIn {
  /** What proves it: the value of the cookie, or the Bearer token. */
  readonly token: string
  /** The answer to the sign-in. */
  readonly login: TestResponse
  /** Sends a request with the credential, and with `Sec-Fetch-Site: same-origin` where a cookie needs it. */
  send(path: string, options?: TestRequest): Promise<TestResponse>
  /** The same, with half of the body held back. */
  hold(path: string, options: TestRequest & { body: object | string }): Promise<HeldRequest>
}

export interface Credentials {
  readonly email: string
  readonly password: string
  readonly remember?: boolean
  readonly label?: string
  readonly transport?: 'cookie' | 'token'
}

/** Signs in; throws when that is refused. */
export async function signIn(baseUrl: string, credentials: Credentials): Promise<SignedIn> {
  const login = await send(`${baseUrl}/api/v1/auth/login`, { method: 'POST', body: credentials })
  if (login.status !== 200) throw new Error(`sign-in answered ${login.status}: ${login.body}`)
  const bearer = credentials.transport === 'token'
  const token: string = bearer ? login.json().token : login.cookies.get('sid')
  return {
    token,
    login,
    send: (path, options) => sendAs(baseUrl, path, { token, bearer }, options),
    hold: (path, options) =>
      hold(`${baseUrl}${path}`, {
        ...options,
        headers: { ...proofOf({ token, bearer }), ...options.headers },
      }),
  }
}

export interface Credential {
  readonly token: string
  readonly bearer?: boolean
}

function proofOf({ token, bearer = false }: Credential): Record<string, string> {
  return bearer
    ? { authorization: `Bearer ${token}` }
    : { cookie: `sid=${token}`, 'sec-fetch-site': 'same-origin' }
}

/** Sends a request with this token, whether or not it is good. */
export function sendAs(
  baseUrl: string,
  path: string,
  credential: Credential,
  options: TestRequest = {},
): Promise<TestResponse> {
  return send(`${baseUrl}${path}`, { ...options, headers: { ...proofOf(credential), ...options.headers } })
}

/**
 * Repeats the request on fresh connections until each of `workers` workers has answered; gives the answers by the
 * id of the worker. The primary hands connections out in turn, so it takes few more than there are workers.
 */
export async function onEveryWorker(
  workers: number,
  request: () => Promise<TestResponse>,
): Promise<ReadonlyMap<string, TestResponse>> {
  const answers = new Map<string, TestResponse>()
  for (let attempt = 0; attempt < workers * 20 && answers.size < workers; attempt += 1) {
    const answer = await request()
    if (answer.worker === undefined) throw new Error('the server does not tell which worker answered')
    answers.set(answer.worker, answer)
  }
  if (answers.size < workers) throw new Error(`only workers ${[...answers.keys()].join(', ')} ever answered`)
  return answers
}
