/** What administrators do with what stands against someone, whether a program or a page asks. */
import { requireIdentity, type AppContext } from '../../../../shared/app/context.ts'
import { problem, type Problem } from '../../../../shared/app/problem.ts'
import type { Limits } from '../../../../shared/limits/open-limits.ts'
import type { RecordAuthEvent } from '../auth/auth-events.ts'
import { liftLimit, policiesOf, standingOf, type LimitStanding } from './standing.ts'

export interface LimitOperationParts {
  readonly limits: Pick<Limits, 'limiter' | 'guard'>
  readonly recordAuthEvent: RecordAuthEvent
}

export type LimitOperations = ReturnType<typeof createLimitOperations>

export function createLimitOperations({ limits, recordAuthEvent }: LimitOperationParts) {
  function unknownPolicy(): Problem {
    return problem('not-found', `there is no limit of this name; there are ${policiesOf(limits).join(', ')}`)
  }

  return {
    policies: () => policiesOf(limits),
    async inspect(policy: string, key: string): Promise<LimitStanding> {
      const found = await standingOf(limits, policy, key)
      if (found === null) throw unknownPolicy()
      return found
    },
    /** Every worker has forgotten what was used when this resolves. */
    async reset(ctx: AppContext, policy: string, key: string): Promise<void> {
      if ((await liftLimit(limits, policy, key)) === null) throw unknownPolicy()
      recordAuthEvent(ctx, 'limit-reset', { user: requireIdentity(ctx).identity.user.id, policy })
    },
  }
}
