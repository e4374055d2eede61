/**
 * The API as a page: `/openapi.json` for people, made of the same document by the server, so that it is there without
 * scripts and loads nothing from elsewhere.
 */
import type { AppContext } from '../../../../shared/app/context.ts'
import { html, type Html } from '../../../../shared/app/html.ts'
import { defineRoute, type Route } from '../../../../shared/app/route.ts'
import { textsIn, type Locale } from '../../../../shared/locales/locales.ts'
import { localeOf } from '../pages/locale.ts'
import { linksOf } from '../pages/page.ts'
import { table } from '../pages/table.ts'
import type { Json } from './openapi.ts'
import { typeOf } from './schema-words.ts'

interface Operation {
  readonly operationId: string
  readonly tags?: readonly string[]
  readonly summary: string
  readonly description?: string
  readonly security: readonly object[]
  readonly parameters?: readonly {
    readonly name: string
    readonly in: string
    readonly required: boolean
    readonly schema: Json
  }[]
  readonly requestBody?: { readonly required: boolean; readonly content: Content }
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Content }>>
}
type Content = Readonly<Record<string, { readonly schema: Json }>>

interface Document {
  readonly info: { readonly description: string }
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Json>> }
}

interface Place {
  readonly method: string
  readonly path: string
  readonly operation: Operation
}

/** @param describe gives the document, once all routes are known */
export function referencePage(describe: () => Json): Route {
  const pages = new Map<Locale, Html>()

  /** The same for everybody who reads a language: made once. */
  function mainIn(ctx: AppContext): Html {
    const locale = localeOf(ctx)
    const known = pages.get(locale)
    if (known) return known
    const made = reference(locale, describe() as unknown as Document, linksOf(ctx)('/openapi.json'))
    pages.set(locale, made)
    return made
  }

  return defineRoute({
    method: 'GET',
    path: '/docs',
    access: 'anyone',
    inMaintenance: 'open',
    page: true,
    navigation: { label: (locale) => textsIn(locale as Locale).console.docs.navigation, order: 150 },
    summary: 'The API reference',
    replies: { 200: { description: 'The page' } },
    handler(ctx) {
      const { docs } = textsIn(localeOf(ctx)).console
      ctx.site.answer(ctx, { title: docs.title, main: mainIn(ctx) })
    },
  })
}

function reference(locale: Locale, { info, paths, components }: Document, document: string): Html {
  const { docs } = textsIn(locale).console
  const places = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      operation,
    })),
  )
  const tags = [...new Set(places.map(({ operation }) => operation.tags?.[0] ?? ''))]
  const schemas = Object.entries(components.schemas)
  return html`<p>${docs.explained} <a href="${document}">${docs.document}</a></p>
    <p>${info.description}</p>
    <nav class="contents" aria-label="${docs.contents}">
      <ul>
        ${tags.map((tag) => html`<li><a href="#${anchorOf(tag)}">${tag}</a></li>`)}
        <li><a href="#schemas">${docs.schemas}</a></li>
      </ul>
    </nav>
    ${tags.map(
      (tag) =>
        html`<section class="card" aria-labelledby="${anchorOf(tag)}">
          <h2 id="${anchorOf(tag)}">${tag}</h2>
          ${places.filter(({ operation }) => (operation.tags?.[0] ?? '') === tag).map((place) => operationOf(locale, place))}
        </section>`,
    )}
    <section class="card" aria-labelledby="schemas">
      <h2 id="schemas">${docs.schemas}</h2>
      ${schemas.map(
        ([name, schema]) =>
          html`<details>
            <summary><code>${name}</code></summary>
            <div id="${schemaAnchor(name)}">${fieldsOf(locale, name, schema)}</div>
          </details>`,
      )}
    </section>`
}

function anchorOf(tag: string): string {
  return `tag-${tag}`
}

function schemaAnchor(name: string): string {
  return `schema-${name}`
}

function operationOf(locale: Locale, { method, path, operation }: Place): Html {
  const { docs } = textsIn(locale).console
  const { operationId, summary, description, security, parameters = [], requestBody, responses } = operation
  const body = requestBody?.content['application/json']?.schema
  return html`<details class="operation">
    <summary><code class="method">${method}</code> <code>${path}</code> <span>${summary}</span></summary>
    <p id="${operationId}">
      ${security.length === 0 ? docs.open : docs.signedIn} ${description ?? null}
      <span class="fine-print">operationId: <code>${operationId}</code></span>
    </p>
    ${
      parameters.length === 0
        ? null
        : html`<h3>${docs.parameters}</h3>
            ${table({
              caption: `${docs.parameters}: ${operationId}`,
              columns: [docs.field, docs.type, docs.description],
              rows: parameters.map(({ name, in: place, required, schema }) => ({
                cells: [
                  html`<code>${name}</code>
                    <span class="fine-print">${place}, ${required ? docs.required : docs.optional}</span>`,
                  linked(typeOf(schema)),
                  wordsOf(schema),
                ],
              })),
              empty: '',
            })}`
    }
    ${
      body === undefined
        ? null
        : html`<h3>${docs.body}</h3>
            ${fieldsOf(locale, operationId, body)}`
    }
    <h3>${docs.replies}</h3>
    ${table({
      caption: `${docs.replies}: ${operationId}`,
      columns: [docs.status, docs.description, docs.body],
      rows: Object.entries(responses).map(([status, { description, content = {} }]) => {
        const [first] = Object.values(content)
        return {
          cells: [
            html`<code>${status}</code>`,
            description,
            first === undefined ? docs.none : linked(typeOf(first.schema)),
          ],
        }
      }),
      empty: '',
    })}
  </details>`
}

/** The fields of an object as a table; of anything else what it is. */
function fieldsOf(locale: Locale, name: string, schema: Json): Html {
  const { docs } = textsIn(locale).console
  const { properties, required = [] } = schema as {
    readonly properties?: Readonly<Record<string, Json>>
    readonly required?: readonly string[]
  }
  if (properties === undefined) return html`<p>${linked(typeOf(schema))} ${wordsOf(schema)}</p>`
  return table({
    caption: name,
    columns: [docs.field, docs.type, docs.description],
    rows: Object.entries(properties).map(([field, property]) => ({
      cells: [
        html`<code>${field}</code>
          <span class="fine-print">${required.includes(field) ? docs.required : docs.optional}</span>`,
        linked(typeOf(property)),
        wordsOf(property),
      ],
    })),
    empty: docs.noFields,
  })
}

function wordsOf({ description }: Json): string {
  return typeof description === 'string' ? description : ''
}

/** Names of schemas lead to where they are described. */
function linked(type: string): Html {
  const parts = type.split(/(#[A-Za-z]\w*)/)
  return html`<code
    >${parts.map((part) => (part.startsWith('#') ? schemaLink(part.slice(1)) : html`${part}`))}</code
  >`
}

function schemaLink(name: string): Html {
  return html`<a href="#${schemaAnchor(name)}">${name}</a>`
}
