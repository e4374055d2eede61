import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { ConfigurationError } from '../../shared/errors.ts'

/**
 * Proves that the server can listen there, and gives the port: a free one for port 0, so that every worker, and
 * every later replacement, listens on the same. The port is let go again, since the workers share their own.
 */
export async function claimPort(host: string, port: number): Promise<number> {
  const probe = createServer()
  probe.listen({ host, port, exclusive: true })
  try {
    await once(probe, 'listening')
  } catch (cause) {
    throw new ConfigurationError([whyNot(host, port, cause as NodeJS.ErrnoException)])
  }
  const claimed = (probe.address() as AddressInfo).port
  probe.close()
  await once(probe, 'close')
  return claimed
}

function whyNot(host: string, port: number, { code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'EADDRINUSE':
      return (
        `PORT=${port} on HOST=${host} is in use by another program. ` +
        `Stop it, or choose another port, such as PORT=${port < 65_535 ? port + 1 : port - 1} (PORT=0 picks a free one).`
      )
    case 'EACCES':
      return `PORT=${port} needs privileges that this user lacks. Choose one from 1024 up.`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return (
        `HOST=${host} is not an address of this machine. ` +
        'Set HOST=127.0.0.1 to be reached from here only, or HOST=0.0.0.0 to be reached from anywhere.'
      )
    default:
      return `HOST=${host} PORT=${port} can't be listened on: ${message}. Choose another.`
  }
}
