/** Where a part of an application keeps what it has: in a domain of its own, or in the one of sessions that are open. */
import { ConfigurationError } from '../kernel/errors.ts'
import { group, type Service } from '../kernel/lifecycle.ts'
import { openDomain, type DomainOptions, type DomainService } from './open-domain.ts'

/** By `name` and `redis`, or in the `domain` of sessions that are open: `koaSessions(…).domain`. */
export type PartPlace =
  DomainOptions | { readonly domain: DomainService; readonly name?: undefined; readonly redis?: undefined }

export interface PlacedPart {
  readonly domain: DomainService
  /** The part and its domain as one; a domain that was given is started and stopped by those who opened it. */
  together(part: Service): Service
}

/** Throws a `ConfigurationError` with all of these problems and those of the place. */
export function placePart(place: PartPlace, problems: readonly string[]): PlacedPart {
  try {
    const given = 'domain' in place && place.domain !== undefined
    const domain = given ? place.domain : openDomain(place as DomainOptions)
    if (problems.length === 0) return { domain, together: (part) => (given ? part : group([domain, part])) }
  } catch (cause) {
    if (!(cause instanceof ConfigurationError)) throw cause
    throw new ConfigurationError([...cause.problems, ...problems])
  }
  throw new ConfigurationError(problems)
}

/** The options that a place has. */
export const placeOptions: readonly string[] = [
  'name',
  'redis',
  'app',
  'leaseMs',
  'durability',
  'redisNodes',
  'redisIdentity',
  'onWarning',
  'onWaited',
  'clock',
  'domain',
]

/** Throws a `ConfigurationError` where a part is opened with nothing at all. */
export function requireOptions(options: unknown, part: string): void {
  if (typeof options === 'object' && options !== null) return
  throw new ConfigurationError([`${part} needs options: an object, as docs/parts.md has it`])
}
