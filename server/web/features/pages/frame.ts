/** The frame that all pages have: head, navigation, notice. */
import { hasRole } from '../../../../shared/accounts/roles.ts'
import type { AppContext } from '../../../../shared/app/context.ts'
import { html, type Html } from '../../../../shared/app/html.ts'
import type { NavigationPage, PageContent, Site } from '../../../../shared/app/site.ts'
import { textsIn, type Locale } from '../../../../shared/locales/locales.ts'
import { relativeTo } from './local-path.ts'
import type { Notice } from './notice.ts'

export const assetPaths = {
  style: '/assets/pages.css',
  icon: '/assets/icon.svg',
  token: '/assets/token.js',
  times: '/assets/times.js',
} as const

/** Who looks at the page, as far as the frame has to know. */
export interface Viewer {
  readonly roles: readonly string[]
  readonly profile: Readonly<Record<string, unknown>>
}

export interface FrameFacts {
  readonly site: Site
  readonly path: string
  readonly locale: Locale
  /** Null: a stranger, or no one asked. */
  readonly viewer: Viewer | null
  readonly notice: Notice | null
  /** In the head of pages for who is signed in. */
  readonly session: Html | null
}

export function frame(page: PageContent, facts: FrameFacts): Html {
  const { site, path, locale } = facts
  const { common } = textsIn(locale)
  const link = (target: string) => relativeTo(path, target)
  const styles = [assetPaths.style, ...(site.stylesheet === null ? [] : [site.stylesheet])]
  return html`<!doctype html>
    <html lang="${locale}">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>${page.title} · ${site.name}</title>
        <link rel="icon" type="image/svg+xml" href="${link(assetPaths.icon)}" />
        ${styles.map((style) => html`<link rel="stylesheet" href="${link(style)}" />`)}
        ${(page.scripts ?? []).map((script) => html`<script src="${link(script)}" defer></script>`)}
        ${facts.session}
      </head>
      <body class="${page.width ?? 'wide'}">
        <a class="skip" href="#main">${common.skip}</a>
        ${headerOf(facts)}
        <main id="main" tabindex="-1">
          <h1>${page.title}</h1>
          ${noticeOf(facts.notice)} ${page.main}
        </main>
      </body>
    </html> `
}

/** What stands above every page: the name, the navigation, who is signed in. */
export function headerOf(facts: FrameFacts): Html {
  const { site, path } = facts
  const link = (target: string) => relativeTo(path, target)
  return html`<header>
    <div class="bar">
      <a class="brand" href="${link('/')}"
        ><img src="${link(assetPaths.icon)}" alt="" width="28" height="28" /> ${site.name}</a
      >
      ${navigationOf(facts)} ${whoIsThere(facts)}
    </div>
    ${administrationOf(facts)}
  </header>`
}

function navigationOf({ site, path, locale, viewer }: FrameFacts): Html | null {
  const { common } = textsIn(locale)
  const seen = site.navigation.filter((page) => isFor(page, viewer))
  const inMain = seen.filter(({ group }) => group === 'main')
  const [administration] = seen.filter(({ group }) => group === 'admin')
  const entries = [
    ...inMain.map((page) => entry(path, page.path, page.label(locale), page.path === path)),
    ...(administration
      ? [entry(path, administration.path, textsIn(locale).console.navigation, isBelow(path, '/admin'))]
      : []),
  ]
  if (entries.length === 0) return null
  return html`<nav aria-label="${common.navigation}">
    <ul>
      ${entries}
    </ul>
  </nav>`
}

/** The second row, on the pages of the administration. */
function administrationOf({ site, path, locale, viewer }: FrameFacts): Html | null {
  if (!isBelow(path, '/admin')) return null
  const seen = site.navigation.filter((page) => page.group === 'admin' && isFor(page, viewer))
  if (seen.length === 0) return null
  const current = seen.map((page) => page.path).filter((each) => isBelow(path, each))
  const deepest = current.toSorted((one, other) => other.length - one.length)[0]
  return html`<nav class="second" aria-label="${textsIn(locale).console.navigation}">
    <ul>
      ${seen.map((page) => entry(path, page.path, page.label(locale), page.path === deepest))}
    </ul>
  </nav>`
}

function entry(from: string, target: string, label: string, isCurrent: boolean): Html {
  const current = isCurrent ? html`aria-current="page"` : null
  return html`<li><a href="${relativeTo(from, target)}" ${current}>${label}</a></li>`
}

function whoIsThere({ site, path, locale, viewer }: FrameFacts): Html | null {
  if (!site.hasSignIn) return null
  const { common } = textsIn(locale)
  if (viewer === null) {
    return path === '/sign-in'
      ? null
      : html`<a class="who" href="${relativeTo(path, '/sign-in')}">${common.signIn}</a>`
  }
  const { name, email } = viewer.profile
  const called = typeof name === 'string' ? name : typeof email === 'string' ? email : ''
  return html`<form class="who" method="post" action="${relativeTo(path, '/sign-out')}">
    <span class="name" title="${common.signedInAs(called)}">${called}</span>
    <button class="quiet">${common.signOut}</button>
  </form>`
}

function noticeOf(notice: Notice | null): Html | null {
  if (notice === null) return null
  return html`<p role="${notice.kind === 'fault' ? 'alert' : 'status'}">${notice.text}</p>`
}

/** Whether this page is open to who looks. */
export function isFor({ access }: NavigationPage, viewer: Viewer | null): boolean {
  if (access === 'anyone') return true
  if (viewer === null) return false
  return access === 'signed-in' || hasRole(viewer, access.roles)
}

function isBelow(path: string, top: string): boolean {
  return path === top || path.startsWith(`${top}/`)
}

/** What the frame says of who is signed in, from the request. */
export function viewerOf(ctx: AppContext): Viewer | null {
  return ctx.state.identity?.user ?? null
}
