import { expect } from 'chai'
import { fork, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { trackChild } from '../support/children.ts'
import { eventually } from '../support/eventually.ts'
import type { ChaosTarget, Door } from './target.ts'
import type { WorkerOrders } from './worker-process.ts'

/**
 * Workers of nothing but sessions and HTTP, each a process with a port of its own, so that a test reaches every one
 * of them for certain. One that dies is replaced.
 */
export async function startWorkerPool(count: number, orders: WorkerOrders): Promise<ChaosTarget> {
  const slots: { child: ChildProcess; door: Door | null }[] = []
  let stopping = false

  async function launch(slot: number): Promise<void> {
    const child = fork(fileURLToPath(new URL('./worker-process.ts', import.meta.url)), {
      execArgv: ['--import', 'tsx'],
    })
    trackChild(child.pid!, 'a worker of the chaos test')
    slots[slot] = { child, door: null }
    child.once('exit', () => {
      if (!stopping) void launch(slot).catch(() => {})
    })
    child.send(orders)
    const exited = once(child, 'exit').then(() =>
      Promise.reject(new Error('a worker ended before it listened')),
    )
    const [{ port }] = (await Promise.race([once(child, 'message'), exited])) as [{ port: number }]
    exited.catch(() => {})
    slots[slot] = { child, door: { name: `worker ${slot + 1}`, port } }
  }

  await Promise.all(
    // One that could not reach Redis in time has been replaced by now.
    Array.from({ length: count }, (_, slot) =>
      launch(slot).catch(() => eventually(() => expect(slots[slot]?.door).to.be.an('object'))),
    ),
  )
  return {
    doors: () => slots.flatMap(({ door }) => door ?? []),
    pids: () => slots.flatMap(({ child, door }) => (door ? child.pid! : [])),
    takeUser: () => ({ email: `${randomUUID()}@example.com`, password: 'any' }),
    handBack() {},
    async stop() {
      stopping = true
      const ends = slots.map(async ({ child }) => {
        if (child.exitCode !== null || child.signalCode !== null) return
        const exited = once(child, 'exit')
        child.kill('SIGKILL')
        await exited
      })
      await Promise.all(ends)
    },
  }
}
