import { html, type Html } from '../../../../shared/app/html.ts'

/**
 * A table whose rows become cards where it is narrow. The roles are named, since a table that is not displayed as one
 * is none to some browsers.
 *
 * @param columns what each is called; one without a text, such as that of buttons, is read out and not shown
 * @param empty what is said instead when there are no rows
 */
export function table(facts: {
  readonly caption: string
  readonly columns: readonly (string | { readonly unseen: string })[]
  readonly rows: readonly { readonly id?: string; readonly cells: readonly (Html | string | number)[] }[]
  readonly empty: string
  readonly id?: string
}): Html {
  const { caption, columns, rows, empty, id } = facts
  if (rows.length === 0) return html`<p class="fine-print">${empty}</p>`
  const heads = columns.map((column) =>
    typeof column === 'string'
      ? html`<th scope="col" role="columnheader">${column}</th>`
      : html`<th scope="col" role="columnheader"><span class="unseen">${column.unseen}</span></th>`,
  )
  const labels = columns.map((column) => (typeof column === 'string' ? column : ''))
  return html`<table role="table" ${id === undefined ? null : html`id="${id}"`}>
    <caption class="unseen">
      ${caption}
    </caption>
    <thead role="rowgroup">
      <tr role="row">
        ${heads}
      </tr>
    </thead>
    <tbody role="rowgroup">
      ${rows.map(
        (row) =>
          html`<tr role="row" ${row.id === undefined ? null : html`data-id="${row.id}"`}>
            ${row.cells.map((cell, index) => html`<td role="cell" data-label="${labels[index] ?? ''}">${cell}</td>`)}
          </tr> `,
      )}
    </tbody>
  </table>`
}
