/** Which server it is, as it says itself. */
export interface ServerVersion {
  readonly product: 'redis' | 'valkey'
  /** Like `7.0.15`. */
  readonly version: string
}

/** Scripts that free memory while memory is full (`allow-oom`) need Redis 7.0 or Valkey 7.2. */
export function isSupported({ product, version }: ServerVersion): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return product === 'redis' ? major >= 7 : major > 7 || (major === 7 && minor >= 2)
}

export const supportedVersions = 'Redis 7.0 or Valkey 7.2'
