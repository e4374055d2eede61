import { once } from 'node:events'
import { connect } from 'node:net'
import path from 'node:path'

/** Writes to the control socket of a server as it is, and gives the lines that come back until the last answer. */
export async function control(dataDir: string, text: string, answers = 1): Promise<Record<string, any>[]> {
  const socket = connect(path.join(dataDir, 'control.sock'))
  const lines: Record<string, any>[] = []
  let unread = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    const parts = (unread + chunk).split('\n')
    unread = parts.pop() ?? ''
    lines.push(...parts.map((line) => JSON.parse(line)))
    if (lines.filter((line) => 'ok' in line).length >= answers) socket.destroy()
  })
  socket.on('error', () => {})
  const closed = once(socket, 'close')
  await once(socket, 'connect')
  socket.write(text)
  await closed
  return lines
}

/** Asks for one thing and gives its answer. */
export async function ask(dataDir: string, request: object): Promise<Record<string, any>> {
  return (await control(dataDir, `${JSON.stringify(request)}\n`)).at(-1) ?? {}
}
