/** Requests that no HTTP client would send. */
import { connect } from 'node:net'

export interface RawAnswer {
  /** 0 when the connection was closed without an answer. */
  readonly status: number
  readonly head: string
  readonly body: string
}

/** Sends the bytes and gives the first answer. Rejects when the server neither answers nor hangs up in 10 s. */
export async function sendBytes(url: string, bytes: string | Buffer): Promise<RawAnswer> {
  const text = await exchange(new URL(url), bytes)
  const [head = '', ...rest] = text.split('\r\n\r\n')
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0), head, body: rest.join('\r\n\r\n') }
}

/** All that comes back until the server hangs up, or has answered in full with a body of announced length. */
function exchange({ hostname, port }: URL, bytes: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname)
    let received = ''
    const settle = (outcome: () => void) => {
      clearTimeout(patience)
      socket.destroy()
      outcome()
    }
    const patience = setTimeout(() => settle(() => reject(new Error('no answer within 10 s'))), 10_000)
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1')
      if (isComplete(received)) settle(() => resolve(received))
    })
    // A server that hangs up while we are still sending may reset the connection.
    socket.on('error', () => settle(() => resolve(received)))
    socket.on('close', () => settle(() => resolve(received)))
    socket.write(bytes)
  })
}

function isComplete(received: string): boolean {
  const end = received.indexOf('\r\n\r\n')
  const length = /^content-length: *(\d+)/im.exec(received.slice(0, Math.max(end, 0)))?.[1]
  return end >= 0 && length !== undefined && received.length >= end + 4 + Number(length)
}
