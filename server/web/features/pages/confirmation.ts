import { z } from 'zod'
import type { AppContext } from '../../../../shared/app/context.ts'
import { html } from '../../../../shared/app/html.ts'
import { form } from './form.ts'
import { textsOf } from './locale.ts'
import { answerPage, linksOf } from './page.ts'

/** Set by the form that asks. */
export const confirmed = z.literal('yes').optional()

/**
 * Asks before what can't be undone, without scripts: the action answers this as long as its form lacks
 * `confirmed=yes`, a field that its body has to name:
 *
 *     body: z.strictObject({ id, confirmed }),       // `confirmed` from here
 *     if (body.confirmed !== 'yes') return answerConfirmation(ctx, { title, text, action, hidden: { id }, button, back })
 */
export function answerConfirmation(
  ctx: AppContext,
  facts: {
    readonly title: string
    readonly text: string
    readonly action: string
    readonly hidden?: Readonly<Record<string, string>>
    readonly button: string
    readonly back: string
  },
): void {
  const { title, text, action, hidden = {}, button, back } = facts
  const main = html`<p>${text}</p>
    ${form(ctx, { action, button, look: 'danger', hidden: { ...hidden, confirmed: 'yes' } })}
    <p><a href="${linksOf(ctx)(back)}">${textsOf(ctx).common.cancel}</a></p>`
  answerPage(ctx, { title, main, width: 'narrow' })
}
