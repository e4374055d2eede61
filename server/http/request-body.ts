/**
 * Reads the body of a request: JSON, and nothing that a form or a script of another site can send without asking
 * first (a preflight); or, where a route says so, a form, files or bytes as they come.
 */
import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import { problem, type Problem } from '../../shared/app/problem.ts'
import { JsonFault, parseStrictJson } from './strict-json.ts'

export const bodyLimitBytes = 64 * 1024

export interface BodyOptions {
  /** Take an empty body as `{}`. */
  readonly optional?: boolean
  /** Take a list; otherwise an object. */
  readonly list?: boolean
  readonly limitBytes?: number
}

/** The value in the body, an object or a list. */
export async function readJsonBody(req: IncomingMessage, options: BodyOptions = {}): Promise<object> {
  const { optional = false, list = false, limitBytes = bodyLimitBytes } = options
  const { headers } = req
  const announced = announcesBody(req)
  if (announced) requireJson(headers['content-type'], headers['content-encoding'])
  const bytes = announced ? await readBytes(req, limitBytes) : empty
  if (bytes.length === 0) {
    if (optional) return {}
    throw problem('malformed-body', 'the request needs a JSON body (Content-Type: application/json)')
  }
  return parseObject(bytes, list)
}

/** The fields of a form, each of them text. */
export async function readFormBody(
  req: IncomingMessage,
  limitBytes = bodyLimitBytes,
): Promise<Record<string, string>> {
  if (!announcesBody(req)) return {}
  if (!/^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(req.headers['content-type'] ?? '')) {
    throw problem(
      'unsupported-media-type',
      'send the form as Content-Type: application/x-www-form-urlencoded',
    )
  }
  const bytes = await readBytes(req, limitBytes)
  if (!isUtf8(bytes)) throw problem('malformed-body', 'the body is not valid UTF-8')
  const fields = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(bytes.toString('utf8'))) {
    if (fields.has(name)) throw problem('malformed-body', `the field ${name.slice(0, 64)} is there twice`)
    fields.set(name, value)
  }
  return Object.fromEntries(fields)
}

/** The bytes as they were sent, whatever they are: for signatures over them. */
export async function readRawBody(req: IncomingMessage, limitBytes = bodyLimitBytes): Promise<Buffer> {
  return announcesBody(req) ? readBytes(req, limitBytes) : empty
}

/** Fields and files of a `multipart/form-data` body, held in memory; what is there more than once is a list. */
export async function readMultipartBody(
  req: IncomingMessage,
  limitBytes = bodyLimitBytes,
): Promise<Record<string, unknown>> {
  const type = req.headers['content-type'] ?? ''
  if (!/^multipart\/form-data\s*;/i.test(type)) {
    throw problem('unsupported-media-type', 'send the body as Content-Type: multipart/form-data')
  }
  const bytes = await readBytes(req, limitBytes)
  const form = await new Response(bytes, { headers: { 'Content-Type': type } }).formData().catch(() => {
    throw problem('malformed-body', 'the body is not well-formed multipart/form-data')
  })
  const fields = new Map<string, unknown>()
  for (const name of new Set(form.keys())) {
    if (name === '__proto__') throw problem('malformed-body', 'the field name __proto__ is not accepted')
    const values = form.getAll(name)
    fields.set(name, values.length === 1 ? values[0] : values)
  }
  return Object.fromEntries(fields)
}

function announcesBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

const empty = Buffer.alloc(0)

function requireJson(type: string | undefined, encoding: string | undefined): void {
  if (type === undefined || !/^application\/json\s*(?:;|$)/i.test(type)) {
    throw problem('unsupported-media-type', 'send the body as Content-Type: application/json')
  }
  const charset = /;\s*charset\s*=\s*"?([^";]*)/i.exec(type)?.[1]?.trim()
  if (charset !== undefined && charset.toLowerCase() !== 'utf-8') {
    throw problem('unsupported-media-type', 'JSON is UTF-8: leave the charset out, or say utf-8')
  }
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw problem('unsupported-media-type', 'send the body without Content-Encoding')
  }
}

function parseObject(bytes: Buffer, list: boolean): object {
  if (!isUtf8(bytes)) throw problem('malformed-body', 'the body is not valid UTF-8')
  let value: unknown
  try {
    value = parseStrictJson(bytes.toString('utf8'))
  } catch (fault) {
    if (fault instanceof JsonFault) throw problem('malformed-body', fault.message)
    throw fault
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value) !== list) {
    const shape = list ? 'list: [value]' : 'object: {"field": value}'
    throw problem('malformed-body', `the body must be a JSON ${shape}`)
  }
  return value
}

/**
 * All bytes of the body. What goes beyond the limit is refused before it is kept; the rest of it is read and
 * thrown away (Node does so after the answer, within the server's request timeout), since a client that is
 * still sending does not see an answer on a closed connection.
 */
function readBytes(req: IncomingMessage, limitBytes: number): Promise<Buffer> {
  if (Number(req.headers['content-length'] ?? 0) > limitBytes) return Promise.reject(tooLarge(limitBytes))
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0

    function settle(outcome: () => void) {
      req.off('data', onData).off('end', onEnd).off('close', onBroken).off('error', onBroken)
      outcome()
    }
    function onData(chunk: Buffer) {
      size += chunk.length
      if (size > limitBytes) settle(() => reject(tooLarge(limitBytes)))
      else chunks.push(chunk)
    }
    function onEnd() {
      settle(() => resolve(Buffer.concat(chunks, size)))
    }
    function onBroken() {
      settle(() => reject(problem('malformed-request', 'the body ended before it was complete')))
    }
    req.on('data', onData).on('end', onEnd).on('close', onBroken).on('error', onBroken)
  })
}

function tooLarge(limitBytes: number): Problem {
  return problem('body-too-large', `the body is larger than ${limitBytes} bytes`)
}
