/**
 * Stands between clients and a Redis and refuses what a service refuses, so that answers keep their order: a command
 * that is not allowed is passed on as another one that fails with the text of the refusal.
 */
import { createHash } from 'node:crypto'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export interface RefusingRedis {
  readonly url: string
  stop(): Promise<void>
}

/** Gives the error with which a command is refused, or null. `script` is the text that EVAL or EVALSHA would run. */
export type Refusal = (command: readonly string[], script: string | null) => string | null

/** As Redis Enterprise answers a script that asks for INFO. */
export const infoInScripts: Refusal = (_command, script) =>
  script?.includes("'INFO'") ? 'ERR This Redis command is not allowed from script' : null

/** As services answer that are administered elsewhere, and as proxies do that share a connection. */
export const administration: Refusal = ([name = '']) =>
  /^(config|client|command|acl|debug|bgsave|save|shutdown)$/i.test(name)
    ? `ERR unknown command '${name.toLowerCase()}'`
    : null

export async function refuseCommands(redisUrl: string, refusals: readonly Refusal[]): Promise<RefusingRedis> {
  const target = new URL(redisUrl)
  const scripts = new Map<string, string>()
  const sockets = new Set<Socket>()

  function judge(command: readonly string[]): readonly string[] {
    const script = scriptOf(command)
    const refusal = refusals.map((refuse) => refuse(command, script)).find((text) => text !== null)
    return refusal ? ['EVAL', 'return redis.error_reply(ARGV[1])', '0', refusal] : command
  }

  function scriptOf([name = '', text = '']: readonly string[]): string | null {
    if (/^evalsha$/i.test(name)) return scripts.get(text) ?? null
    if (!/^eval$/i.test(name)) return null
    scripts.set(createHash('sha1').update(text, 'latin1').digest('hex'), text)
    return text
  }

  const listener = createServer({ noDelay: true }, (client) => {
    const server = connect({ host: target.hostname, port: Number(target.port), noDelay: true })
    let pending = ''
    client.on('data', (bytes) => {
      pending += bytes.toString('latin1')
      for (;;) {
        const parsed = parseCommand(pending)
        if (parsed === null) return
        pending = pending.slice(parsed.length)
        server.write(written(judge(parsed.command)), 'latin1')
      }
    })
    server.pipe(client)
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  return {
    url: `redis://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    async stop() {
      const closed = new Promise((resolve) => listener.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/** The first command in the text, as clients write it: an array of bulk strings. Null: not all of it is there. */
function parseCommand(text: string): { command: string[]; length: number } | null {
  const header = /^\*(\d+)\r\n/.exec(text)
  if (!header) return null
  const command: string[] = []
  let at = header[0].length
  while (command.length < Number(header[1])) {
    const size = /^\$(\d+)\r\n/.exec(text.slice(at, at + 32))
    if (!size) return null
    const [from, to] = [at + size[0].length, at + size[0].length + Number(size[1])]
    if (text.length < to + 2) return null
    command.push(text.slice(from, to))
    at = to + 2
  }
  return { command, length: at }
}

function written(command: readonly string[]): string {
  return `*${command.length}\r\n${command.map((part) => `$${part.length}\r\n${part}\r\n`).join('')}`
}
