import { expect } from 'chai'
import { z } from 'zod'
import { defineRoute } from '../../shared/app/route.ts'
import { typeOf } from '../../server/web/features/docs/schema-words.ts'
import { startHttpApp, type HttpApp } from '../support/http-app.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

describe('The API reference at /docs', () => {
  let redis: TestRedis
  let app: HttpApp
  let page: string

  const hostile = defineRoute({
    method: 'POST',
    path: '/hostile/:id',
    access: 'anyone',
    summary: '</code><script>alert(1)</script>',
    params: z.strictObject({ id: z.string().describe('<b>which</b>') }),
    body: z.strictObject({ many: z.array(z.enum(['a', 'b'])).describe('"several"') }),
    replies: { 200: { description: '<i>fine</i>' } },
    handler(ctx) {
      ctx.status = 200
    },
  })

  before(async () => {
    redis = await startRedis()
    app = await startHttpApp({ redisUrl: redis.url, routes: [hostile] })
    const answer = await app.request('GET', '/docs', { headers: { Accept: 'text/html' } })
    expect(answer.status).to.equal(200)
    page = answer.text
  })
  after(async () => {
    await app?.stop()
    await redis?.stop()
  })

  it('describes every operation and every schema of /openapi.json, each at a place that links lead to', async () => {
    const { paths, components } = (await app.request('GET', '/openapi.json')).json()
    const ids = new Set([...page.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id))
    for (const operation of Object.values<Record<string, any>>(paths).flatMap((each) =>
      Object.values(each),
    )) {
      expect(ids, operation.operationId).to.include(operation.operationId)
    }
    for (const name of Object.keys(components.schemas)) expect(ids).to.include(`schema-${name}`)
    for (const [, target] of page.matchAll(/href="#([^"]+)"/g))
      expect(ids, 'a link leads nowhere').to.include(target)
  })

  it('says what an operation takes and answers', () => {
    expect(page).to.include('href="#schema-User"').and.to.include('operationId: <code>postAuthLogin</code>')
    expect(page).to.match(/Needs the role admin\./)
  })

  it('escapes what routes say, and has no script', () => {
    expect(page).not.to.match(/<script|<b>which|<i>fine/)
    expect(page).to.include('&lt;b&gt;which&lt;/b&gt;').and.to.include('(&quot;a&quot; | &quot;b&quot;)[]')
  })

  it('speaks the language of its reader', async () => {
    const headers = { Accept: 'text/html', 'Accept-Language': 'de' }
    expect((await app.request('GET', '/docs', { headers })).text).to.include('API-Referenz')
  })

  it('writes types in a line', () => {
    const words = (schema: z.ZodType) => typeOf(z.toJSONSchema(schema) as Record<string, unknown>)
    expect(words(z.string().nullable())).to.equal('string | null')
    expect(words(z.array(z.union([z.int(), z.boolean()])))).to.equal('(integer | boolean)[]')
    expect(words(z.strictObject({ id: z.string(), more: z.literal(1).optional() }))).to.equal(
      '{ id: string, more?: 1 }',
    )
    expect(words(z.unknown())).to.equal('any')
    expect(words(z.strictObject({}))).to.equal('{}')
  })
})
