import type { AppContext } from '../../../../shared/app/context.ts'
import { html } from '../../../../shared/app/html.ts'
import type { Identity } from '../../../../shared/sessions/index.ts'
import { signedInAs } from '../auth/pages/sign-in-page.ts'
import { isFor } from './frame.ts'
import { localeOf, textsOf } from './locale.ts'
import { linksOf, type Page } from './page.ts'

/** What runs here and where to go, for a person who came without knowing. */
export function startPage(ctx: AppContext, identity: Identity | null): Page {
  const { common, start } = textsOf(ctx)
  const { site } = ctx
  const link = linksOf(ctx)
  const viewer = identity?.user ?? null
  const entries = site.navigation
    .filter((page) => page.path !== '/' && isFor(page, viewer))
    .map(({ path, label }) => ({ path, label: label(localeOf(ctx)) }))
  const signIn = viewer === null && site.hasSignIn ? [{ path: '/sign-in', label: common.signIn }] : []
  const places = [...signIn, ...entries, { path: '/openapi.json', label: start.api }]
  const main = html`<p>${start.running(site.name)}</p>
    ${identity === null ? null : signedInAs(ctx, identity.user)}
    <h2>${start.places}</h2>
    <ul>
      ${places.map(({ path, label }) => html`<li><a href="${link(path)}">${label}</a></li>`)}
    </ul>`
  return { title: site.name, main, width: 'narrow', viewer }
}
