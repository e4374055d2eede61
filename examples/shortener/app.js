/**
 * A link shortener: everything that an application of Lockstep may have, in one small one. Signed-in people shorten
 * links, anybody follows them, and each click is counted by a job, so that following stays fast.
 */
import responseTime from 'koa-response-time'
import { defineApp, z } from 'lockstep'
import { recordClick, pruneClicks, pruneNightly } from './jobs.js'
import { linksPage } from './page.js'
import { create, follow, list } from './routes.js'
import { openLinks } from './links.js'

export default defineApp({
  name: 'shortener',
  env: z.object({ LINKS_FILE: z.string().default('links.sqlite') }),
  services: ({ env }) => ({ links: openLinks(env.LINKS_FILE) }),
  middleware: { outer: [responseTime()] },
  routes: [create, list, follow],
  pages: [linksPage],
  jobs: [recordClick, pruneClicks],
  schedules: [pruneNightly],
  limits: [
    { name: 'shorten', rule: { limit: 30, windowMs: 60_000 }, onOutage: 'closed', onDataLoss: 'trust' },
  ],
})
