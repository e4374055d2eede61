import type { LoginGuard } from '../../../../shared/limits/login-guard.ts'
import { withPatience } from '../../../../shared/limits/patience.ts'
import type { ProxyWatch } from '../../pipeline/notice-proxy.ts'
import type { ReadinessNotes } from './readiness.ts'

const patienceMs = 500

/** What an operator should know of this worker, beside whether it is ready. */
export function readinessNotes(
  guard: Pick<LoginGuard, 'standing'>,
  proxyWatch: Pick<ProxyWatch, 'suspected'>,
  settings: { readonly unreadable: boolean },
): () => Promise<ReadinessNotes> {
  async function signIn(): Promise<ReadinessNotes['signIn']> {
    try {
      const { exists, recoveringMs } = await withPatience(guard.standing(), patienceMs, () => {})
      const lowered = !exists || recoveringMs > 0
      return { limits: lowered ? 'lowered' : 'full', recoverySeconds: Math.ceil(recoveringMs / 1_000) }
    } catch {
      return { limits: 'unknown', recoverySeconds: 0 }
    }
  }

  return async () => ({
    signIn: await signIn(),
    settings: settings.unreadable ? 'unreadable' : 'followed',
    proxy: proxyWatch.suspected ? 'untrusted' : 'as-configured',
  })
}
