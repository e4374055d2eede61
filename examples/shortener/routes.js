import { defineRoute, problem, requireIdentity, z } from 'lockstep'
import { recordClick } from './jobs.js'

const link = z.strictObject({ code: z.string(), url: z.string(), clicks: z.int() })

export const create = defineRoute({
  method: 'POST',
  path: '/api/links',
  access: 'signed-in', // or 'anyone', or { roles: ['operator'] }
  summary: 'Shorten a link',
  limits: ['api', 'shorten'],
  session: true,
  body: z.strictObject({ url: z.url({ protocol: /^https?$/ }).max(2_000) }),
  replies: { 201: { description: 'The short one', body: z.strictObject({ code: z.string() }) } },
  handler(ctx, { body }, { services }) {
    const { user } = requireIdentity(ctx).identity
    const code = services.links.add(body.url, user.id)
    // The session's own data: what this device shortened last, on whichever worker it asks next.
    ctx.session.recent = [code, ...(ctx.session.recent ?? [])].slice(0, 5)
    ctx.status = 201
    ctx.body = { code }
  },
})

export const list = defineRoute({
  method: 'GET',
  path: '/api/links',
  access: 'signed-in',
  summary: 'My links, and how often they were followed',
  session: true,
  replies: {
    200: {
      description: 'The links',
      body: z.strictObject({ links: z.array(link), recent: z.array(z.string()) }),
    },
  },
  handler(ctx, _input, { services }) {
    const { user } = requireIdentity(ctx).identity
    ctx.body = { links: services.links.ofOwner(user.id), recent: ctx.session.recent ?? [] }
  },
})

export const follow = defineRoute({
  method: 'GET',
  path: '/:code',
  access: 'anyone',
  summary: 'Follow a link',
  params: z.strictObject({ code: z.string().max(16) }),
  replies: { 302: { description: 'To where it leads' }, 404: { description: 'There is no such link' } },
  async handler(ctx, { params: { code } }, { services, queues }) {
    const url = services.links.find(code)
    if (url === null) throw problem('not-found', 'there is no such link')
    await queues.enqueue(recordClick, { code, at: Date.now() })
    ctx.redirect(url)
  },
})
