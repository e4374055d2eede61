import { SentinelConnector, type Redis, type SentinelAddress, type SentinelConnectionOptions } from 'ioredis'

interface Asking {
  connectToSentinel(sentinel: Partial<SentinelAddress>, options?: object): Redis
}

/**
 * Finds the primary by its Sentinels. ioredis listens to every one of them to hear of a failover, and prints to the
 * console whatever goes wrong with one; the others are there for that.
 */
export class QuietSentinelConnector extends SentinelConnector {
  constructor(options: unknown) {
    super(options as SentinelConnectionOptions)
    const asking = this as unknown as Asking
    const connect = asking.connectToSentinel.bind(this)
    asking.connectToSentinel = (sentinel, more) => {
      const client = connect(sentinel, more)
      client.on('error', () => {})
      return client
    }
  }
}
