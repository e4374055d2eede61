import type { z } from 'zod'
import type { AppContext } from '../../../../shared/app/context.ts'
import { definePage } from '../../../../shared/app/page.ts'
import type { Parts } from '../../../../shared/app/parts.ts'
import type { Input, Route } from '../../../../shared/app/route.ts'
import type { PageContent } from '../../../../shared/app/site.ts'
import { hasRole } from '../../../../shared/accounts/roles.ts'
import { textsIn, type Locale, type Texts } from '../../../../shared/locales/locales.ts'
import { assetPaths } from '../pages/page.ts'

/** The pages of the console, in the order of their navigation. */
const order = ['overview', 'workers', 'users', 'limits', 'settings', 'schedules', 'queues', 'audit'] as const
export type Section = (typeof order)[number]

export const consoleScript = '/assets/console.js'

/** A page of the console. With scripts its numbers stay fresh and its times are those of the reader's clock. */
export function adminPage<
  Params extends z.ZodType = z.ZodUndefined,
  Query extends z.ZodType = z.ZodUndefined,
>(description: {
  readonly path: string
  readonly roles: readonly [string, ...string[]]
  readonly summary: string
  /** Its place in the navigation; a page below another has none. */
  readonly section?: Section
  readonly params?: Params
  readonly query?: Query
  readonly limits?: readonly string[]
  readonly handler: (
    ctx: AppContext,
    input: Input<undefined, z.output<Params>, z.output<Query>>,
    parts: Parts,
  ) => Promise<PageContent | void> | PageContent | void
}): Route {
  const { roles, section, handler, ...rest } = description
  return definePage({
    ...rest,
    access: { roles },
    ...(section === undefined ? {} : { navigation: navigationOf(section) }),
    async handler(ctx, input, parts) {
      const page = await handler(ctx, input, parts)
      return page && { scripts: [assetPaths.times, consoleScript], ...page }
    },
  })
}

export function navigationOf(section: Section) {
  return {
    label: (locale: string) => sectionName(textsIn(locale as Locale), section),
    group: 'admin',
    order: 200 + 10 * order.indexOf(section),
  } as const
}

export function sectionName({ console }: Texts, section: Section): string {
  return console.sections[section]
}

/** Whether who asks may do what these roles may: its button is shown then. The action asks again. */
export function may(ctx: AppContext, roles: readonly string[]): boolean {
  return ctx.state.identity !== null && hasRole(ctx.state.identity.user, roles)
}
