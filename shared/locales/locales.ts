/**
 * The texts of pages and mails, a folder for each language. To add one: write it in `en/<part>.ts` and its translation
 * under the same key in `de/<part>.ts`; the compiler asks for what is missing. A text with values in it is a function:
 * `signedInAs: (name: string) => \`Signed in as ${name}\``. A new part is a file in each folder, named in both
 * `index.ts`. A page reads them by `textsOf(ctx)` (server/web/features/pages/locale.ts), a job by `textsIn(locale)`.
 */
import { de } from './de/index.ts'
import { en } from './en/index.ts'

export type Texts = typeof en

const all = { en, de } satisfies Record<string, Texts>

export type Locale = keyof typeof all

/** The first one is for those who understand none of them. */
export const locales = Object.keys(all) as [Locale, ...Locale[]]

export function textsIn(locale: Locale): Texts {
  return all[locale]
}

export function isLocale(text: unknown): text is Locale {
  return typeof text === 'string' && Object.hasOwn(all, text)
}
