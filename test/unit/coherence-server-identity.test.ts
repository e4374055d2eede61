import { expect } from 'chai'
import type { Redis } from 'ioredis'
import { watchServer } from '../../shared/coherence/server-identity.ts'

const [first, second] = ['a'.repeat(40), 'b'.repeat(40)] as const

/** A client whose connection the test changes; each script is answered by the server that it leads to then. */
function createClient() {
  const client = { status: 'ready', stream: { writable: true } }
  const server = watchServer(client as unknown as Redis)
  let runId: string = first
  const told: string[] = []
  return {
    client,
    told,
    reconnect(to: string) {
      client.stream = { writable: true }
      runId = to
    },
    ask: (options?: { verify: boolean }, meanwhile = () => {}) =>
      server.ask(async (known) => {
        told.push(known)
        const reply = [`${runId}:incarnation`, 7]
        meanwhile()
        return reply
      }, options),
  }
}

describe('Which server a connection leads to', () => {
  it('is asked by the first script, and known from then on', async () => {
    const { ask, told } = createClient()
    for (let i = 0; i < 3; i++) await ask()
    expect(told).to.deep.equal(['-', first, first])
  })

  it('is asked again when another connection was made', async () => {
    const { ask, told, reconnect } = createClient()
    await ask()
    reconnect(second)
    for (let i = 0; i < 2; i++) await ask()
    expect(told).to.deep.equal(['-', '-', second])
  })

  it('is asked by every script that has to wait for a connection', async () => {
    const { ask, told, client } = createClient()
    await ask()
    client.status = 'reconnecting'
    await ask()
    client.status = 'ready'
    client.stream.writable = false
    await ask()
    expect(told).to.deep.equal(['-', '-', '-'])
  })

  it('is not learned from a reply that came while the connection changed', async () => {
    const { ask, told, reconnect } = createClient()
    await ask(undefined, () => reconnect(second))
    await ask()
    expect(told).to.deep.equal(['-', '-'])
  })

  it('is asked again by each renewal, in case somebody in between has moved the connection', async () => {
    const { ask, told } = createClient()
    await ask()
    await ask({ verify: true })
    await ask()
    expect(told).to.deep.equal(['-', '-', first])
  })

  it('is not learned from a reply that does not name it', async () => {
    const told: string[] = []
    const server = watchServer({ status: 'ready', stream: { writable: true } } as unknown as Redis)
    for (let i = 0; i < 2; i++) {
      await server.ask(async (known) => {
        told.push(known)
        return [['a description']]
      })
    }
    expect(told).to.deep.equal(['-', '-'])
  })
})
