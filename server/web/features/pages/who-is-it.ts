import type { AppContext } from '../../../../shared/app/context.ts'
import type { Identity, Sessions } from '../../../../shared/sessions/index.ts'

/**
 * Who is signed in, for pages that everybody gets and that only say it: it opens nothing, so an outage is no reason to
 * refuse the page.
 */
export async function whoIsIt(
  sessions: Pick<Sessions, 'authenticate'>,
  { state: { token } }: AppContext,
): Promise<Identity | null> {
  try {
    return token === null ? null : await sessions.authenticate(token)
  } catch {
    return null
  }
}
