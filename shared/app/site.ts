/** What pages are made of, ours and those of an application: the site puts the same frame around all. */
import type { Html } from './html.ts'

export interface PageContent {
  readonly title: string
  readonly main: Html
  /** Scripts of this site that the page uses, by their paths. They run after the page was read; none can be inline. */
  readonly scripts?: readonly string[]
  /** `narrow` for a short form; wide when left out. */
  readonly width?: 'narrow' | 'wide'
}

/** A page's place in the navigation, where whoever may open the page finds it. */
export interface NavigationEntry {
  /** A text, or what it is in a language: `(locale) => (locale === 'de' ? 'Bestellungen' : 'Orders')`. */
  readonly label: string | ((locale: string) => string)
  /** From small to great; 100 when left out. Ours: start 0, account 50, administration 200 and above. */
  readonly order?: number
  /** `admin`: in the second row, below `/admin`. */
  readonly group?: 'main' | 'admin'
}

/** The site that a page belongs to. */
export interface Site {
  /** What it is called, on each page. */
  readonly name: string
  /** The path of the application's own style sheet, which comes after ours. */
  readonly stylesheet: string | null
  /** The pages of the navigation, in order. */
  readonly navigation: readonly NavigationPage[]
  /** Whether people sign in and out on pages of ours. */
  readonly hasSignIn: boolean
  /** Whether people may make accounts for themselves there. */
  readonly mayRegister: boolean
  /** Answers with the page in its frame. */
  answer(ctx: object, page: PageContent, status?: number): void
}

export interface NavigationPage {
  readonly path: string
  readonly label: (locale: string) => string
  readonly group: 'main' | 'admin'
  /** Whom the page is for: everybody, who is signed in, or who has one of these roles. */
  readonly access: 'anyone' | 'signed-in' | { readonly roles: readonly string[] }
}
