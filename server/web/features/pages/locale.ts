import { locales, textsIn, type Locale, type Texts } from '../../../../shared/locales/locales.ts'
import type { AppContext } from '../../../../shared/app/context.ts'

/** The language of an answer: what the browser asks for first of those that there are. */
export function localeOf(ctx: AppContext): Locale {
  return (ctx.acceptsLanguages([...locales]) || locales[0]) as Locale
}

export function textsOf(ctx: AppContext): Texts {
  return textsIn(localeOf(ctx))
}
