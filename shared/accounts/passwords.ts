import { randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { hash as argon2, parseOptions, verify as argon2Verify } from '@node-rs/argon2'
import type { Passwords } from './accounts.ts'
import { createBoundedQueue } from './bounded-queue.ts'
import { isWellFormed, UnstorableText } from './stored-text.ts'

/** OWASP's first choice for argon2id. Each hash under way holds 19 MiB. */
const parameters = { algorithm: 2 /* argon2id */, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const

/** More passwords at once than can be checked in good time. Says nothing about any of them. */
export class PasswordsOverloaded extends Error {
  readonly status = 503
  readonly expose = true
  readonly retryAfterSeconds = 2

  constructor() {
    super('too many people are signing in at once, please try again')
    this.name = 'PasswordsOverloaded'
  }
}

export interface PasswordsOptions {
  /** Hashes computed at once, each on a thread of libuv's pool and with 19 MiB. */
  readonly concurrency?: number
  /** How many more may wait; at some 30 ms each, the default keeps the wait around a second. */
  readonly waiting?: number
}

/** One thread of libuv's four stays free for files and names, and one core for the event loop. */
const defaultConcurrency = Math.max(1, Math.min(3, availableParallelism() - 1))

/** `hash` and `verify` throw `PasswordsOverloaded` when too many wait already. */
export function createPasswords(options: PasswordsOptions = {}): Passwords {
  const { concurrency = defaultConcurrency, waiting = 32 * concurrency } = options
  const inTurn = createBoundedQueue({ concurrency, waiting, refusal: () => new PasswordsOverloaded() })
  let decoy: Promise<string> | undefined

  /** The hash of a password that no one has: checked where there is none, so that it takes as long. */
  function decoyHash(): Promise<string> {
    decoy ??= argon2(randomBytes(32), parameters)
    return decoy
  }

  return {
    async hash(password) {
      requireWhole(password)
      return inTurn(() => argon2(password, parameters))
    },
    verify: (hash, password) =>
      inTurn(async () => {
        // Made before it is known whether it is needed: else the first unknown address would take twice as long.
        const fallback = await decoyHash()
        const genuine = hash !== null && isArgon2(hash) && isWellFormed(password)
        const matches = await argon2Verify(genuine ? hash : fallback, password)
        return genuine && matches
      }),
  }
}

/** In UTF-8 every half of a pair becomes the same mark: one such password would open what another one closed. */
function requireWhole(password: string): void {
  if (!isWellFormed(password)) throw new UnstorableText('password', 'must not contain half a character')
}

function isArgon2(hash: string): boolean {
  try {
    parseOptions(hash)
    return true
  } catch {
    return false
  }
}
