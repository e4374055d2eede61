import { expect } from 'chai'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { pino } from 'pino'
import { watchForHangs } from '../../server/cluster/supervision/hang-watch.ts'
import { whyAlive } from '../../server/cluster/supervision/progress.ts'
import type { WorkerHandle } from '../../server/cluster/supervision/worker-handle.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { eventually } from '../support/eventually.ts'

describe('The hang watch', () => {
  const cleanUp = cleanUpAfterEach()

  /** A process whose event loop never turns again, watched as a worker that says nothing. */
  async function watched(script: string) {
    const child: ChildProcess = spawn(process.execPath, ['-e', script], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    cleanUp(async () => {
      child.kill('SIGKILL')
      await once(child, 'close')
    })
    await once(child.stdout ?? child, 'data')
    child.stdout?.resume()
    const logged: Record<string, unknown>[] = []
    let hung = false
    const worker = {
      role: 'web',
      slot: 1,
      id: 'web-1',
      state: 'ready',
      heartbeats: 1,
      vitals: null,
      pid: child.pid,
      giveUp: () => (hung = true),
    } as unknown as WorkerHandle
    const watch = watchForHangs({
      workers: () => (hung ? [] : [worker]),
      hungAfterMs: 500,
      log: pino({}, { write: (line: string) => void logged.push(JSON.parse(line)) }),
    })
    await watch.start()
    cleanUp(() => watch.stop(deadlineIn(0)))
    return { logged: (msg: string) => logged.filter((line) => line.msg === msg), hung: () => hung }
  }

  it('gives up a worker that is stuck in a computation', async () => {
    const { logged, hung } = await watched("require('fs').writeSync(1, 'on'); for (;;) Math.random()")
    await eventually(() => expect(hung()).to.equal(true), 20_000)
    await eventually(() => expect(logged('worker hangs and is killed')).to.have.length(1))
  })

  it('leaves an overloaded worker alone that gets on, but not for ever', async function () {
    if (process.platform !== 'linux') return
    this.timeout(40_000)
    const answering = "for (;;) { require('fs').writeSync(1, 'an answer'); for (let i = 0; i < 1e7; i++); }"
    const { logged, hung } = await watched(answering)
    await eventually(() => {
      expect(logged('worker is silent but gets on')[0]).to.include({ reason: 'overloaded' })
    }, 20_000)
    expect(hung()).to.equal(false)
    await eventually(() => expect(hung()).to.equal(true), 30_000)
    expect(logged('worker is silent but gets on').length).to.be.greaterThan(1)
  })

  it('tells who waits for the CPU from who keeps it', () => {
    const before = { calls: 7, ranMs: 100, waitedMs: 100 }
    expect(whyAlive(before, { calls: 7, ranMs: 200, waitedMs: 9_000 })).to.equal('starved')
    expect(whyAlive(before, { calls: 7, ranMs: 9_000, waitedMs: 200 })).to.equal(null)
    expect(whyAlive(before, { calls: 7, ranMs: 1_200, waitedMs: 9_000 })).to.equal(null)
    expect(whyAlive(before, before)).to.equal(null)
    expect(whyAlive(before, { ...before, calls: 99 })).to.equal('overloaded')
    expect(whyAlive(null, before)).to.equal(null)
  })
})
