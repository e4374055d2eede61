import type { AppContext } from '../../../../shared/app/context.ts'
import { html, type Html } from '../../../../shared/app/html.ts'
import { linksOf } from './page.ts'

export interface FormFacts {
  /** The action's path. */
  readonly action: string
  readonly button: string
  /** What the button does, for those who don't see what is around it: `Sign out Firefox on Linux`. */
  readonly name?: string
  readonly fields?: readonly Html[]
  readonly hidden?: Readonly<Record<string, string>>
  /** `danger` for what can't be undone, `quiet` for what is rarely wanted. */
  readonly look?: 'danger' | 'quiet'
  /** In one line, as in a row of a table. */
  readonly inline?: boolean
  readonly method?: 'get' | 'post'
  /** Set on the form, for scripts. */
  readonly id?: string
}

/** A form that works without scripts. */
export function form(ctx: AppContext, facts: FormFacts): Html {
  const { action, button, name, fields = [], hidden = {}, look, inline, method = 'post', id } = facts
  return html`<form
    method="${method}"
    action="${linksOf(ctx)(action)}"
    ${inline ? html`class="inline"` : null}
    ${id === undefined ? null : html`id="${id}"`}
  >
    ${hiddenFields(hidden)} ${fields}
    <button
      ${look === undefined ? null : html`class="${look}"`}
      ${name === undefined ? null : html`aria-label="${name}"`}
    >
      ${button}
    </button>
  </form>`
}

export function hiddenFields(values: Readonly<Record<string, string>>): Html[] {
  return Object.entries(values).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}" />`,
  )
}

export interface FieldFacts {
  readonly name: string
  readonly label: string
  /** Unique on the page; the name when left out. */
  readonly id?: string
  readonly type?: 'text' | 'email' | 'password' | 'number' | 'search'
  readonly value?: string
  readonly hint?: string
  readonly required?: boolean
  readonly maxLength?: number
  readonly autocomplete?: string
  readonly autofocus?: boolean
  readonly invalid?: boolean
  /** The label is read out and not shown, as in a table whose column says it. */
  readonly hideLabel?: boolean
}

/** An input with its label and its hint. */
export function field(facts: FieldFacts): Html {
  const { name, label, id = name, type = 'text', value = '', hint, maxLength, autocomplete } = facts
  const hintId = `${id}-hint`
  return html`<label for="${id}" ${facts.hideLabel ? html`class="unseen"` : null}>${label}</label>
    <input
      id="${id}"
      name="${name}"
      type="${type}"
      value="${value}"
      dir="auto"
      ${facts.required ? html`required` : null}
      ${maxLength === undefined ? null : html`maxlength="${maxLength}"`}
      ${autocomplete === undefined ? null : html`autocomplete="${autocomplete}"`}
      ${hint === undefined ? null : html`aria-describedby="${hintId}"`}
      ${facts.invalid ? html`aria-invalid="true"` : null}
      ${facts.autofocus ? html`autofocus` : null}
    />
    ${hint === undefined ? null : html`<p class="fine-print" id="${hintId}">${hint}</p>`}`
}

export interface ChoiceFacts {
  readonly name: string
  readonly label: string
  readonly id?: string
  readonly value: string
  readonly options: readonly { readonly value: string; readonly label: string }[]
}

/** One of several, in a list. */
export function choice({ name, label, id = name, value, options }: ChoiceFacts): Html {
  return html`<label for="${id}">${label}</label>
    <select id="${id}" name="${name}">
      ${options.map(
        (option) =>
          html`<option value="${option.value}" ${option.value === value ? html`selected` : null}>
            ${option.label}
          </option>`,
      )}
    </select>`
}

/** A box to tick; sent as `on`. */
export function checkbox(facts: {
  readonly name: string
  readonly label: string
  readonly value?: string
  readonly checked?: boolean
}): Html {
  const { name, label, value = 'on', checked } = facts
  return html`<label class="choice"
    ><input name="${name}" type="checkbox" value="${value}" ${checked ? html`checked` : null} />
    ${label}</label
  >`
}
