import type { Config } from '../../../shared/config/config.ts'
import { localUrl } from '../../../shared/config/local-url.ts'
import { untrustedProxy } from '../../web/pipeline/notice-proxy.ts'
import type { ReadinessNotes } from '../../web/features/health/readiness.ts'
import { findingsAbout, type Finding } from './finding.ts'

const patienceMs = 3_000

/** What a running server says of itself at /readyz, beside whether it is ready. */
export async function examineReadiness({ http }: Config, isRunning: boolean): Promise<Finding[]> {
  if (!isRunning || http.port === 0) return []
  const notes = await readNotes(`${localUrl(http.host, http.port)}/readyz`)
  if (notes === null) return []
  const { ok, warning } = findingsAbout('sign-in')
  const findings = [notes.signIn ? signIn(notes.signIn) : ok('it does not tell')]
  if (notes.settings === 'unreadable') {
    findings.push(
      warning(
        'the settings in Redis are not readable and are not followed: change one, which replaces them all',
      ),
    )
  }
  if (notes.proxy === 'untrusted') findings.push(warning(untrustedProxy))
  return findings

  function signIn({ limits, recoverySeconds }: ReadinessNotes['signIn']): Finding {
    if (limits === 'full') return ok('nothing was lost of what is counted of wrong passwords')
    if (limits === 'unknown') return warning('the Redis that counts wrong passwords does not answer')
    const lasting = recoverySeconds > 0 ? `for ${recoverySeconds} s more` : 'from the next sign-in on'
    return warning(
      `Redis has lost what was counted of wrong passwords, so fewer are allowed ${lasting}; ` +
        'npx lockstep limits trust ends that',
    )
  }
}

/** Null where it is not ready, or is another server: that is said elsewhere. */
async function readNotes(url: string): Promise<Partial<ReadinessNotes> | null> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(patienceMs) })
    return answer.ok ? ((await answer.json()) as Partial<ReadinessNotes>) : null
  } catch {
    return null
  }
}
