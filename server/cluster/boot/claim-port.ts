import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { ConfigurationError } from '../../../shared/kernel/errors.ts'

/**
 * Proves that the server can listen there, and gives the port: a free one for port 0, so that every worker, and
 * every later replacement, listens on the same. The port is let go again, since the workers share their own.
 * `variables` is before HOST and PORT in the names of the two settings.
 */
export async function claimPort(host: string, port: number, variables = ''): Promise<number> {
  const probe = createServer()
  probe.listen({ host, port, exclusive: true })
  try {
    await once(probe, 'listening')
  } catch (cause) {
    throw new ConfigurationError([whyNot({ host, port, variables }, cause as NodeJS.ErrnoException)])
  }
  const claimed = (probe.address() as AddressInfo).port
  probe.close()
  await once(probe, 'close')
  return claimed
}

function whyNot(
  { host, port, variables }: { host: string; port: number; variables: string },
  { code, message }: NodeJS.ErrnoException,
): string {
  const place = `${variables}HOST=${host}`
  const door = `${variables}PORT=${port}`
  switch (code) {
    case 'EADDRINUSE': {
      const neighbour = port < 65_535 ? port + 1 : port - 1
      const any = variables === '' ? ' (PORT=0 picks a free one)' : ''
      return (
        `${door} on ${place} is in use by another program. ` +
        `Stop it, or choose another port, such as ${variables}PORT=${neighbour}${any}.`
      )
    }
    case 'EACCES':
      return `${door} needs privileges that this user lacks. Choose one from 1024 up.`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return (
        `${place} is not an address of this machine. Set ${variables}HOST=127.0.0.1 to be reached from here only, ` +
        `or ${variables}HOST=0.0.0.0 to be reached from anywhere.`
      )
    default:
      return `${place} ${door} can't be listened on: ${message}. Choose another.`
  }
}
