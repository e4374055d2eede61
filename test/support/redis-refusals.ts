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

/** Gives the error with which a command is refused, or null. */
export type Refusal = (command: readonly string[]) => string | null

/** What scripts may not call; as on Redis Enterprise, a script that has such a call runs until it gets there. */
export const infoInScripts = 'INFO'

/** As services answer that are administered elsewhere, and as proxies do that share a connection. */
export const administration: Refusal = ([name = '']) =>
  /^(config|client|command|acl|debug|bgsave|save|shutdown)$/i.test(name)
    ? `ERR unknown command '${name.toLowerCase()}'`
    : null

export async function refuseCommands(
  redisUrl: string,
  refusals: readonly (Refusal | typeof infoInScripts)[],
): Promise<RefusingRedis> {
  const target = new URL(redisUrl)
  const refuses = refusals.filter((one) => one !== infoInScripts)
  const withoutInfo = refusals.includes(infoInScripts)
  /** The SHA of a script as its sender knows it, to that of what is run in its place. */
  const replaced = new Map<string, string>()
  const sockets = new Set<Socket>()

  function judge(command: readonly string[]): readonly string[] {
    const refusal = refuses.map((refuse) => refuse(command)).find((text) => text !== null)
    if (refusal) return ['EVAL', 'return redis.error_reply(ARGV[1])', '0', refusal]
    return withoutInfo ? withoutInfoCalls(command) : command
  }

  function withoutInfoCalls([name = '', text = '', ...rest]: readonly string[]): readonly string[] {
    if (/^evalsha$/i.test(name)) return [name, replaced.get(text) ?? text, ...rest]
    if (!/^eval$/i.test(name)) return [name, ...(text === '' && rest.length === 0 ? [] : [text, ...rest])]
    const other = text.replaceAll("redis.call('INFO'", "redis.call('INFO-IN-SCRIPT'")
    replaced.set(sha1(text), sha1(other))
    return [name, other, ...rest]
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

function sha1(text: string): string {
  return createHash('sha1').update(text, 'latin1').digest('hex')
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
