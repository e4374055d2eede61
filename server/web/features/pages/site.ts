import type { AppContext } from '../../../../shared/app/context.ts'
import type { Route } from '../../../../shared/app/route.ts'
import type { NavigationPage, Site } from '../../../../shared/app/site.ts'
import { answerPage } from './page.ts'

export interface SiteFacts {
  readonly name: string
  readonly stylesheet: string | null
  /** Every route; those that say so are in the navigation. */
  readonly routes: readonly Route[]
}

const usualOrder = 100

/** The site that all pages belong to: its navigation is made of the pages that were registered, whoever wrote them. */
export function createSite({ name, stylesheet, routes }: SiteFacts): Site {
  const navigation = routes
    .flatMap(({ path, access, navigation }) => (navigation ? [{ path, access, ...navigation }] : []))
    .toSorted((one, other) => (one.order ?? usualOrder) - (other.order ?? usualOrder))
    .map(({ path, access, label, group = 'main' }): NavigationPage => {
      return { path, access, group, label: typeof label === 'string' ? () => label : label }
    })
  const hasPage = (wanted: string) => routes.some(({ method, path }) => method === 'GET' && path === wanted)
  return {
    name,
    stylesheet,
    navigation,
    hasSignIn: hasPage('/sign-in'),
    mayRegister: hasPage('/register'),
    answer: (ctx, page, status) => answerPage(ctx as AppContext, page, status),
  }
}
