import { z } from 'zod'
import { operators, viewers } from '../../../../shared/accounts/roles.ts'
import type { AppContext } from '../../../../shared/app/context.ts'
import { html, type Html } from '../../../../shared/app/html.ts'
import type { Route } from '../../../../shared/app/route.ts'
import type { ScheduleView } from '../../../../shared/queues/schedule-views.ts'
import type { ScheduleOperations } from '../jobs/schedule-operations.ts'
import { defineAction } from '../pages/action.ts'
import { form } from '../pages/form.ts'
import { textsOf } from '../pages/locale.ts'
import { linksOf } from '../pages/page.ts'
import { table } from '../pages/table.ts'
import { timeOf } from '../pages/time.ts'
import { adminPage, may } from './admin-page.ts'

const path = '/admin/schedules'
const name = z.string().max(64)

/** What the clock asks for, and when; operators stop, start and run it. */
export function schedulePages(schedules: ScheduleOperations, boardIsThere: boolean): Route[] {
  const action = (
    verb: 'pause' | 'resume' | 'run',
    summary: string,
    tell: (ctx: AppContext, name: string) => Promise<string>,
  ) =>
    defineAction({
      path: `${path}/${verb}`,
      back: path,
      access: { roles: operators },
      summary,
      body: z.strictObject({ name }),
      handler: async (ctx, { body }) => ({ notice: { kind: 'done', text: await tell(ctx, body.name) } }),
    })

  return [
    adminPage({
      path,
      roles: viewers,
      section: 'schedules',
      summary: 'What the clock asks for, and when it will do so next',
      async handler(ctx) {
        const { console } = textsOf(ctx)
        const { columns, none, caption } = console.schedules
        const main = html`<section class="card">
          ${table({
            caption,
            columns: [
              columns.name,
              columns.pattern,
              columns.next,
              columns.lastRun,
              columns.state,
              ...(may(ctx, operators) ? [{ unseen: columns.actions }] : []),
            ],
            rows: (await schedules.list()).map((schedule) => ({
              id: schedule.name,
              cells: cellsOf(ctx, schedule, boardIsThere),
            })),
            empty: none,
          })}
        </section>`
        return { title: console.sections.schedules, main }
      },
    }),
    action('pause', 'Give the ticks of a schedule no run', async (ctx, name) => {
      await schedules.pause(ctx, name)
      return textsOf(ctx).console.schedules.pausedNow(name)
    }),
    action('resume', 'Give the ticks of a schedule their runs again', async (ctx, name) => {
      await schedules.resume(ctx, name)
      return textsOf(ctx).console.schedules.resumedNow(name)
    }),
    action('run', 'Give a schedule a run now', async (ctx, name) => {
      const { id } = await schedules.run(ctx, name)
      return textsOf(ctx).console.schedules.runBegun(name, id)
    }),
  ]
}

function cellsOf(ctx: AppContext, schedule: ScheduleView, boardIsThere: boolean): readonly Html[] {
  const { schedules: texts } = textsOf(ctx).console
  const { name, job, pattern, timezone, next, lastRun, misfire, overlap, paused } = schedule
  const jobLink = boardIsThere
    ? html`<a href="${linksOf(ctx)(`/admin/queues/queue/${encodeURIComponent(job)}`)}">${job}</a>`
    : html`${job}`
  return [
    html`<strong>${name}</strong><br /><span class="fine-print">${texts.job} ${jobLink}</span>`,
    html`<code>${pattern}</code><br /><span class="fine-print"
        >${timezone}; ${texts.misfire(misfire)}; ${texts.overlap[overlap]}</span
      >`,
    html`<ul class="plain">
      ${next.map((tick) => html`<li>${timeOf(ctx, tick.getTime())}</li>`)}
    </ul>`,
    lastRun === null ? html`${texts.never}` : timeOf(ctx, lastRun.getTime()),
    html`<span class="${paused ? 'tag busy' : 'tag'}">${paused ? texts.paused : texts.active}</span>`,
    ...(may(ctx, operators) ? [buttonsOf(ctx, schedule)] : []),
  ]
}

function buttonsOf(ctx: AppContext, { name, paused }: ScheduleView): Html {
  const { schedules: texts } = textsOf(ctx).console
  const verb = paused ? 'resume' : 'pause'
  const button = (action: 'run' | 'pause' | 'resume') =>
    form(ctx, {
      action: `${path}/${action}`,
      button: texts[action],
      name: texts.named(texts[action], name),
      hidden: { name },
      look: 'quiet',
      inline: true,
    })
  return html`<div class="actions">${button('run')} ${button(verb)}</div>`
}
