import { expect } from 'chai'
import { defineApp, defineJob, defineRoute, defineStream, z, type Parts } from 'lockstep'
import { startTestApp, type TestApp } from 'lockstep/testing'
import { eventually } from '../support/eventually.ts'
import { openEventStream } from '../support/event-stream.ts'

/** The parts, and what can be called on each. A logger has what its library gives it. */
function shapeOf({ log, ...parts }: Parts): Record<string, readonly string[]> {
  expect(log.info).to.be.a('function')
  const members = Object.entries(parts).map(
    ([name, part]) => [name, Object.keys(part as object).sort()] as const,
  )
  return Object.fromEntries(members)
}

describe('Jobs of an application', () => {
  let running: TestApp
  const seen: Record<string, ReturnType<typeof shapeOf>> = {}

  before(async () => {
    const announce = defineJob({
      name: 'announce',
      payload: z.strictObject({ room: z.string() }),
      async handler({ data }, parts) {
        seen['job'] = shapeOf(parts)
        await parts.broadcast(data.room, { event: 'done', data: 'by a job' })
      },
    })
    running = await startTestApp(
      defineApp({
        name: 'parts',
        services: () => ({ clock: { now: () => 1 } }),
        settings: z.object({ greeting: z.string().default('hello') }),
        jobs: [announce],
        streams: [
          defineStream({
            path: '/kitchen',
            access: 'anyone',
            summary: 'What happens in the kitchen',
            async open(_ctx, stream, parts) {
              seen['stream'] = shapeOf(parts)
              await stream.join('kitchen')
              stream.send({ data: 'joined' })
            },
          }),
        ],
        routes: [
          defineRoute({
            method: 'POST',
            path: '/announce',
            access: 'anyone',
            summary: 'Have a job announce',
            replies: { 202: { description: 'Enqueued' } },
            async handler(ctx, _input, parts) {
              seen['route'] = shapeOf(parts)
              await parts.queues.enqueue(announce, { room: 'kitchen' })
              ctx.status = 202
            },
          }),
        ],
      }),
    )
  })
  after(() => running?.stop())

  it('tell the streams on every worker, and work with the same parts as routes and streams', async () => {
    const listeners = await Promise.all(running.urls.map((url) => openEventStream(`${url}/kitchen`)))
    try {
      await eventually(() => {
        for (const { text } of listeners) expect(text()).to.include('joined')
      })
      expect((await running.request('POST', '/announce')).status).to.equal(202)
      await running.runJobs()
      await eventually(() => {
        for (const { events } of listeners) {
          expect(events().at(-1)).to.include({ event: 'done', data: 'by a job' })
        }
      })
    } finally {
      for (const { close } of listeners) close()
    }
    expect(Object.keys(seen['route'] ?? {}).sort()).to.deep.equal([
      'broadcast',
      'limiter',
      'mailer',
      'queues',
      'services',
      'sessions',
      'settings',
    ])
    expect(seen['job']).to.deep.equal(seen['route'])
    expect(seen['stream']).to.deep.equal(seen['route'])
  })
})
