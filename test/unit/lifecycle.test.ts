import { expect } from 'chai'
import {
  createServiceStack,
  deadlineIn,
  group,
  remaining,
  type Service,
} from '../../shared/kernel/lifecycle.ts'

/** A service that writes down what happens to it. */
function recorded(name: string, events: string[], faults: { start?: Error; stop?: Error } = {}): Service {
  return {
    async start() {
      events.push(`${name} starts`)
      if (faults.start) throw faults.start
    },
    async stop() {
      events.push(`${name} stops`)
      if (faults.stop) throw faults.stop
    },
  }
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => null,
    (failure: unknown) => failure,
  )
}

describe('a deadline', () => {
  it('has time left until it is reached, and none afterwards', () => {
    expect(remaining(deadlineIn(1_000))).to.be.within(1, 1_000)
    expect(remaining(deadlineIn(-1))).to.equal(0)
  })
})

describe('a group of services', () => {
  it('starts in order and stops in reverse', async () => {
    const events: string[] = []
    const all = group([recorded('a', events), recorded('b', events)])
    await all.start()
    await all.stop(deadlineIn(100))
    expect(events).to.deep.equal(['a starts', 'b starts', 'b stops', 'a stops'])
  })

  it('undoes a start that fails, and rejects with the cause', async () => {
    const events: string[] = []
    const cause = new Error('no')
    const all = group([recorded('a', events), recorded('b', events, { start: cause }), recorded('c', events)])
    expect(await failureOf(all.start())).to.equal(cause)
    expect(events).to.deep.equal(['a starts', 'b starts', 'a stops'])
  })

  it('rejects with the cause of a failed start even when undoing it fails too', async () => {
    const cause = new Error('no')
    const all = group([recorded('a', [], { stop: new Error('stuck') }), recorded('b', [], { start: cause })])
    expect(await failureOf(all.start())).to.equal(cause)
  })

  it('stops the rest when one fails to stop, and tells everything that went wrong', async () => {
    const events: string[] = []
    const faults = [new Error('one'), new Error('two')]
    const all = group([
      recorded('a', events, { stop: faults[1] }),
      recorded('b', events),
      recorded('c', events, { stop: faults[0] }),
    ])
    await all.start()
    const failure = await failureOf(all.stop(deadlineIn(100)))
    expect(failure).to.be.instanceOf(AggregateError).with.property('errors').that.deep.equals(faults)
    expect(events.slice(3)).to.deep.equal(['c stops', 'b stops', 'a stops'])
  })

  it('may be stopped before it starts, and twice', async () => {
    const events: string[] = []
    const all = group([recorded('a', events)])
    await all.stop(deadlineIn(100))
    expect(events).to.deep.equal([])
    await all.start()
    await all.stop(deadlineIn(100))
    await all.stop(deadlineIn(100))
    expect(events).to.deep.equal(['a starts', 'a stops'])
  })

  it('can be started again after a stop', async () => {
    const events: string[] = []
    const all = group([recorded('a', events)])
    await all.start()
    await all.stop(deadlineIn(100))
    await all.start()
    expect(events).to.deep.equal(['a starts', 'a stops', 'a starts'])
  })

  it('starts nothing more when it is stopped while starting, and leaves nothing running', async () => {
    const events: string[] = []
    let ready = () => {}
    const slow: Service = {
      ...recorded('slow', events),
      start: () => new Promise<void>((resolve) => (ready = resolve)),
    }
    const all = group([recorded('a', events), slow, recorded('c', events)])
    const starting = failureOf(all.start())
    await new Promise(setImmediate)
    const stopping = all.stop(deadlineIn(100))
    ready()
    await stopping
    expect(await starting)
      .to.be.an('error')
      .with.property('message', 'stopped while it was starting')
    expect(events).to.include.members(['slow stops', 'a stops']).and.not.include('c starts')
  })
})

describe('a stack of services', () => {
  it('hands out what it started, so that the next can be made with it', async () => {
    const events: string[] = []
    const stack = createServiceStack()
    const first = await stack.start({ ...recorded('first', events), port: 7 })
    expect(first.port).to.equal(7)
    await stack.start(recorded('second', events))
    await stack.stop(deadlineIn(100))
    expect(events).to.deep.equal(['first starts', 'second starts', 'second stops', 'first stops'])
  })

  it('lets a second, hurried stop reach a service that takes its time', async () => {
    const deadlines: number[] = []
    let gone = () => {}
    const stack = createServiceStack()
    await stack.start({
      start: async () => {},
      stop(deadline) {
        deadlines.push(deadline)
        if (deadlines.length === 2) gone()
        return new Promise((resolve) => (deadlines.length === 2 ? resolve() : (gone = resolve)))
      },
    })
    await Promise.all([stack.stop(60_000), stack.stop(0)])
    expect(deadlines).to.deep.equal([60_000, 0])
  })
})
