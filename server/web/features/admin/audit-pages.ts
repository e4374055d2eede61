import { Readable } from 'node:stream'
import { z } from 'zod'
import type { AccountStore } from '../../../../shared/accounts/accounts.ts'
import type { AuditEntry, AuditPage } from '../../../../shared/accounts/audit.ts'
import { administrators } from '../../../../shared/accounts/roles.ts'
import type { AppContext } from '../../../../shared/app/context.ts'
import { html, type Html } from '../../../../shared/app/html.ts'
import { defineRoute, type Route } from '../../../../shared/app/route.ts'
import { presentEntry } from '../audit/audit.ts'
import type { RecordAuthEvent } from '../auth/auth-events.ts'
import { answerProblemAsPage } from '../pages/problem-page.ts'
import { field, form } from '../pages/form.ts'
import { textsOf } from '../pages/locale.ts'
import { linksOf } from '../pages/page.ts'
import { pager } from '../pages/pager.ts'
import { table } from '../pages/table.ts'
import { timeOf } from '../pages/time.ts'
import { id } from '../../routing/fields.ts'
import { adminPage } from './admin-page.ts'
import { csvLine } from './csv.ts'

const path = '/admin/audit'
const perPage = 50
const perBatch = 200
/** The longest that an export may take. */
const exportTimeoutMs = 10 * 60_000

/** As a browser sends a moment from a field of that type, in UTC; empty where nothing was chosen. */
const moment = z.union([z.literal(''), z.iso.datetime({ local: true })]).optional()

const filters = {
  /** An id or an e-mail address. */
  user: z.string().trim().max(254).optional(),
  action: z.string().trim().max(64).optional(),
  from: moment,
  until: moment,
}
const filterSchema = z.strictObject(filters)
type Filters = z.output<typeof filterSchema>

export interface AuditPageParts {
  readonly accounts: Pick<AccountStore, 'audit' | 'emailsOf' | 'findIdByEmail'>
  readonly recordAuthEvent: RecordAuthEvent
  /** Whether people have a page of their own. */
  readonly usersAreThere: boolean
}

/** Who did what, when and from where: to be read, filtered and taken along. */
export function auditPages({ accounts, recordAuthEvent, usersAreThere }: AuditPageParts): Route[] {
  /** What to ask the trail for; null when there is no such user, of whom there is nothing. */
  async function queryOf({
    user = '',
    action = '',
    from,
    until,
  }: Filters): Promise<Omit<AuditPage, 'limit'> | null> {
    const who = user.includes('@') ? await accounts.findIdByEmail(user) : user
    if (who === null) return null
    return {
      ...(who === '' ? {} : { user: who }),
      ...(action === '' ? {} : { action }),
      ...(from ? { from: momentOf(from) } : {}),
      ...(until ? { until: momentOf(until) } : {}),
    }
  }

  async function pageOf(query: Filters, after: string | undefined): Promise<AuditEntry[]> {
    const asked = await queryOf(query)
    if (asked === null) return []
    return accounts.audit.list({ ...asked, limit: perPage, ...(after === undefined ? {} : { after }) })
  }

  async function* everyEntry(query: Filters): AsyncGenerator<AuditEntry> {
    const asked = await queryOf(query)
    if (asked === null) return
    for (let after: string | undefined; ;) {
      const batch = await accounts.audit.list({
        ...asked,
        limit: perBatch,
        ...(after === undefined ? {} : { after }),
      })
      yield* batch
      after = batch.at(-1)?.id
      if (batch.length < perBatch) return
    }
  }

  return [
    adminPage({
      path,
      roles: administrators,
      section: 'audit',
      summary: 'Who did what, when and from where',
      query: z.strictObject({ ...filters, after: id.optional() }),
      async handler(ctx, { query: { after, ...query } }) {
        const { console } = textsOf(ctx)
        const texts = console.audit
        const found = await pageOf(query, after)
        const emails = await accounts.emailsOf(
          found.flatMap(({ actor, subject }) => [actor, subject].filter((who) => who !== null)),
        )
        const next = found.length === perPage ? (found.at(-1)?.id ?? null) : null
        const named = Object.fromEntries(Object.entries(query).filter(([, value]) => value))
        const main = html`<section class="card filters" aria-labelledby="filter">
            <h2 id="filter">${texts.filter}</h2>
            ${form(ctx, {
              action: path,
              method: 'get',
              button: texts.filterButton,
              fields: [
                field({
                  name: 'user',
                  label: texts.user,
                  value: query.user ?? '',
                  maxLength: 254,
                  hint: texts.userHint,
                }),
                field({
                  name: 'action',
                  label: texts.action,
                  value: query.action ?? '',
                  maxLength: 64,
                  hint: texts.actionHint,
                }),
                momentField('from', texts.from, query.from),
                momentField('until', texts.until, query.until),
              ].map((each) => html`<div>${each}</div>`),
            })}
          </section>
          <section class="card" aria-labelledby="entries">
            <h2 id="entries">${texts.entries}</h2>
            ${table({
              caption: texts.entries,
              columns: [texts.at, texts.actor, texts.action, texts.subject, texts.ip, texts.details],
              rows: found.map((entry) => ({ cells: cellsOf(ctx, entry, emails, usersAreThere) })),
              empty: texts.none,
            })}
            ${pager(ctx, { path, after, next, query: named })}
            <p>
              ${texts.export}
              ${(['csv', 'ndjson'] as const).map(
                (format) =>
                  html`<a
                    href="${linksOf(ctx)(`${path}/export?${new URLSearchParams({ ...named, format }).toString()}`)}"
                    download
                    >${format.toUpperCase()}</a
                  > `,
              )}
            </p>
          </section>`
        return { title: console.sections.audit, main }
      },
    }),
    defineRoute({
      method: 'GET',
      path: `${path}/export`,
      access: { roles: administrators },
      page: true,
      summary: 'The audit trail as a file, newest first',
      query: z.strictObject({ ...filters, format: z.enum(['csv', 'ndjson']) }),
      replies: { 200: { description: 'The file' } },
      presentProblem: answerProblemAsPage,
      timeoutMs: exportTimeoutMs,
      handler(ctx, { query: { format, ...query } }) {
        recordAuthEvent(ctx, 'audit-exported', { format, ...query })
        ctx.set({
          'Content-Type':
            format === 'csv' ? 'text/csv; charset=utf-8' : 'application/x-ndjson; charset=utf-8',
          'Content-Disposition': `attachment; filename="audit.${format}"`,
        })
        ctx.body = Readable.from(format === 'csv' ? asCsv(everyEntry(query)) : asNdjson(everyEntry(query)))
      },
    }),
  ]
}

const csvColumns = [
  'id',
  'at',
  'actor',
  'action',
  'subject',
  'session',
  'ip',
  'requestId',
  'details',
] as const

async function* asCsv(entries: AsyncIterable<AuditEntry>): AsyncGenerator<string> {
  yield csvLine(csvColumns)
  for await (const entry of entries) {
    const presented = presentEntry(entry)
    yield csvLine(
      csvColumns.map((column) =>
        column === 'details' ? JSON.stringify(presented.details) : (presented[column] ?? ''),
      ),
    )
  }
}

async function* asNdjson(entries: AsyncIterable<AuditEntry>): AsyncGenerator<string> {
  for await (const entry of entries) yield `${JSON.stringify(presentEntry(entry))}\n`
}

function momentOf(text: string): number {
  return Date.parse(`${text}Z`)
}

function momentField(name: string, label: string, value: string | undefined): Html {
  return html`<label for="${name}">${label}</label>
    <input id="${name}" name="${name}" type="datetime-local" value="${value ?? ''}" />`
}

function cellsOf(
  ctx: AppContext,
  { at, actor, action, subject, ip, details }: AuditEntry,
  emails: ReadonlyMap<string, string>,
  usersAreThere: boolean,
): readonly (Html | string)[] {
  const texts = textsOf(ctx).console.audit
  const who = (id: string) => {
    const email = emails.get(id)
    if (email === undefined) return html`<code><bdi>${id}</bdi></code>`
    return usersAreThere
      ? html`<a href="${linksOf(ctx)(`/admin/users/${id}`)}"><bdi>${email}</bdi></a>`
      : html`<bdi>${email}</bdi>`
  }
  const text = JSON.stringify(details)
  return [
    timeOf(ctx, at),
    actor === null ? html`<span class="fine-print">${texts.stranger}</span>` : who(actor),
    html`<code>${action}</code>`,
    subject === null ? '–' : who(subject),
    ip ?? '–',
    text === '{}' ? '–' : html`<code class="small"><bdi>${text}</bdi></code>`,
  ]
}
