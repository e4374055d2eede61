import type { Redis } from 'ioredis'

interface Parts {
  readonly redis: Redis
  /** A connection for pub/sub, where one is needed. */
  readonly subscriber: Redis
  readonly limit: number
  readonly windowMs: number
}

export const contenders: Readonly<
  Record<string, (parts: Parts) => Promise<(key: string) => boolean | Promise<boolean>>>
>
