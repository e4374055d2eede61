import { Agent, request, type IncomingHttpHeaders } from 'node:http'

export interface TestRequest {
  /** Sent as `Authorization: Bearer`. */
  readonly token?: string
  readonly json?: unknown
  /** Sent as it is; the headers must say what it is. */
  readonly body?: string | Buffer
  readonly headers?: Readonly<Record<string, string>>
}

export interface TestAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** The body as JSON. Throws when it is none. */
  // oxlint-disable-next-line typescript/no-explicit-any -- a test knows what it asked for
  json(): any
}

/** One request on a connection of its own, so that it reaches the worker at this address. */
export function send(
  url: string,
  method: string,
  path: string,
  options: TestRequest = {},
): Promise<TestAnswer> {
  const { token, json, headers } = options
  const body = json === undefined ? options.body : JSON.stringify(json)
  return new Promise((resolve, reject) => {
    const sending = request(
      url + path,
      {
        method,
        agent: new Agent({ keepAlive: false }),
        headers: {
          ...(json === undefined ? {} : { 'Content-Type': 'application/json' }),
          ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
          ...headers,
        },
      },
      (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (part: string) => (text += part))
        response.on('error', reject)
        response.on('end', () => {
          const { statusCode: status = 0, headers: received } = response
          resolve({ status, headers: received, text, json: () => JSON.parse(text) as unknown })
        })
      },
    )
    sending.on('error', reject)
    sending.end(body)
  })
}
