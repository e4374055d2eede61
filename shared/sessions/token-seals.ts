/**
 * The seal that tells a token of ours from one that someone made up, so that a worker refuses the latter without asking
 * Redis: a truncated MAC of the token's random part. It proves nothing else (only Redis says whether a session is valid),
 * and whoever learns its key can merely make tokens that Redis is asked about.
 *
 * A token must never be refused falsely. So the key is made once and lies in Redis, and anyone who has it puts it back when
 * Redis has lost it: it changes only when no one who holds a lease knows it any more. Someone who finds none waits for the
 * longest lease before making one: by then each member that knows one has put it back, before it was granted a lease
 * again. And a seal is judged only under the lease, and without a key not at all.
 */
import { createHmac } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Coherence } from '../coherence/index.ts'
import { maximumWaitMs } from '../coherence/index.ts'
import { Unavailable } from '../kernel/errors.ts'
import type { SessionScripts } from './scripts.ts'
import { newToken, randomPartOf, sealLength } from './token.ts'

export interface TokenSeals {
  /** A new token. Waits for the key, where there is none yet. */
  issue(): Promise<string>
  /** False only for a token that no worker of this domain has ever issued. */
  mayBeOurs(token: string): boolean
  stop(): void
}

export interface TokenSealOptions {
  readonly scripts: Pick<SessionScripts, 'tokenKey'>
  readonly coherence: Pick<Coherence, 'follow' | 'leaseOk' | 'position'>
  /** The key to propose where there is none; made up when left out, which takes as long as the longest lease. */
  readonly proposed?: string | undefined
}

/** A login can wait for the first key no longer than this. */
const patienceMs = 5_000

export function createTokenSeals({ scripts, coherence, proposed = '' }: TokenSealOptions): TokenSeals {
  let key: string | null = null
  /** Every session of this epoch is sealed. */
  let always = false
  let making: Promise<void> | null = null
  const stopped = new AbortController()

  async function adopt(): Promise<void> {
    const found = await scripts.tokenKey(key ?? proposed)
    if (found.key === null) return void makeLater()
    key = found.key
    always = found.always
  }

  function makeLater(): Promise<void> {
    making ??= make().finally(() => (making = null))
    making.catch(() => {})
    return making
  }

  /** Anyone who has a key has put it back by the end of the wait; else it is made, unless Redis changed meanwhile. */
  async function make(): Promise<void> {
    const fresh = newToken()
    while (key === null) {
      const { inc } = coherence.position()
      await pause(maximumWaitMs, undefined, { signal: stopped.signal, ref: false })
      const found = await scripts.tokenKey(fresh, inc).catch(() => null)
      if (!found?.key || key !== null) continue
      key = found.key
      always = found.always
    }
  }

  // Before this member is granted a lease in another incarnation.
  coherence.follow('seal', { apply: adopt, refresh: adopt })

  async function knownKey(): Promise<string> {
    if (key === null || !coherence.leaseOk()) await adopt()
    if (key !== null) return key
    const late = new Promise<void>((resolve) => setTimeout(resolve, patienceMs).unref())
    await Promise.race([makeLater(), late])
    if (key === null) throw new Error('there is no key to seal tokens with yet')
    return key
  }

  return {
    async issue() {
      try {
        return seal(newToken(), await knownKey())
      } catch (cause) {
        throw new Unavailable('redis', { cause })
      }
    },
    mayBeOurs(token) {
      if (key === null || !coherence.leaseOk()) return true
      const random = randomPartOf(token)
      if (random === token) return !always
      // Nothing to be found out by the time that this takes: who guesses a seal has only reached Redis.
      return token === seal(random, key)
    },
    stop: () => stopped.abort(),
  }
}

/** A token: its random part, and the seal. */
export function seal(random: string, key: string): string {
  return random + createHmac('sha256', key).update(random).digest('base64url').slice(0, sealLength)
}
