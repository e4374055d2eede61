import { expect } from 'chai'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { backoffMs } from '../../server/cluster/supervision/backoff.ts'
import { parsePrimaryMessage, parseWorkerMessage } from '../../shared/process/messages.ts'
import {
  Supervisor,
  type SupervisorOptions,
  type TellProgress,
} from '../../server/cluster/supervision/supervisor.ts'
import type { WorkerHandle } from '../../server/cluster/supervision/worker-handle.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { createLogger } from '../../shared/telemetry/log.ts'
import { isAlive, trackChild } from '../support/children.ts'
import { eventually } from '../support/eventually.ts'

const fixtures = path.join(import.meta.dirname, '..', 'fixtures')
const exec = path.join(fixtures, 'worker.ts')

/** A supervisor of fixture workers and the lines that it logged. */
function supervise(behaviour: string, options: Partial<SupervisorOptions> & { count?: number } = {}) {
  const lines: string[] = []
  const log = createLogger({
    level: 'info',
    pretty: false,
    destination: { write: (line) => lines.push(line) },
  })
  // What the next worker does: as with a build that is replaced while the server runs.
  const env = { FIXTURE_BEHAVIOUR: behaviour }
  const kind = { role: 'web' as const, count: options.count ?? 2, exec, env }
  const supervisor = new Supervisor({ kinds: [kind], graceMs: 2_000, probationMs: 20, log, ...options })
  return { supervisor, env, logged: () => lines.join('') }
}

async function failureOf(promise: Promise<unknown>): Promise<Error> {
  const failure = await promise.then(
    () => null,
    (cause: unknown) => cause,
  )
  expect(failure).to.be.an('error')
  return failure as Error
}

function pidsOf(supervisor: Supervisor): number[] {
  const pids = supervisor.workers().flatMap(({ pid }) => pid ?? [])
  for (const pid of pids) trackChild(pid, 'a fixture worker')
  return pids
}

function kill(worker: WorkerHandle | undefined, signal: NodeJS.Signals): void {
  process.kill(worker?.pid ?? expect.fail('there is no such worker'), signal)
}

describe('the supervisor', () => {
  it('is started when every worker is ready, and stopped when every worker has ended', async () => {
    const { supervisor } = supervise('good', { count: 3 })
    await supervisor.start()
    const pids = pidsOf(supervisor)
    expect(supervisor.workers().map(({ slot }) => slot)).to.deep.equal([1, 2, 3])
    expect(await Promise.all(supervisor.workers().map(({ ready }) => ready))).to.deep.equal([
      4001, 4002, 4003,
    ])
    await supervisor.stop(deadlineIn(5_000))
    expect(pids.filter(isAlive)).to.deep.equal([])
    expect(supervisor.workers()).to.deep.equal([])
  })

  it('may be stopped before it starts, and twice', async () => {
    const { supervisor } = supervise('good', { count: 1 })
    await supervisor.stop(deadlineIn(1_000))
    await supervisor.start()
    pidsOf(supervisor)
    await Promise.all([supervisor.stop(deadlineIn(5_000)), supervisor.stop(deadlineIn(5_000))])
    await supervisor.stop(deadlineIn(1_000))
  })

  it('replaces a worker that was killed, in the same slot', async () => {
    const { supervisor, logged } = supervise('good')
    await supervisor.start()
    const before = pidsOf(supervisor)
    kill(supervisor.workers()[1], 'SIGKILL')
    await eventually(async () => {
      const [first, second] = supervisor.workers()
      expect(first?.pid).to.equal(before[0])
      expect(second).to.have.property('slot', 2)
      expect(second?.pid).to.not.equal(before[1])
      expect(await second?.ready).to.equal(4002)
    })
    expect(logged()).to.contain('worker exited unexpectedly (signal SIGKILL) and is replaced')
    pidsOf(supervisor)
    await supervisor.stop(deadlineIn(5_000))
  })

  it('pauses longer and longer while a worker keeps failing, and can be stopped meanwhile', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'lockstep-supervisor-'))
    const marker = path.join(directory, 'started-once')
    const backoff = { firstMs: 10, longestMs: 60_000, stableMs: 60_000 }
    const { supervisor, logged } = supervise(`fails-after-first:${marker}`, { count: 1, backoff })
    await supervisor.start()
    kill(supervisor.workers()[0], 'SIGKILL')
    await eventually(() => {
      expect(logged().split('did not start: it ended (exit code 7)').length).to.be.greaterThan(2)
    }, 10_000)
    await supervisor.stop(deadlineIn(5_000))
    await rm(directory, { recursive: true })
  })

  it('fails when a worker says why it cannot start the first time, and leaves none running', async () => {
    const { supervisor } = supervise('fails:2', { count: 3 })
    const starting = failureOf(supervisor.start())
    const pids = pidsOf(supervisor)
    expect((await starting).message).to.equal('web worker 2 did not start: the dog ate the database')
    expect(pids.filter(isAlive)).to.deep.equal([])
  })

  it('fails when a worker ends without a word the first time', async () => {
    const { supervisor } = supervise('exits:1')
    expect((await failureOf(supervisor.start())).message).to.equal(
      'web worker 1 did not start: it ended (exit code 7)',
    )
  })

  it('kills a worker that is not ready in time, and fails the first time', async () => {
    const { supervisor } = supervise('hangs', { count: 1, bootTimeoutMs: 500 })
    const starting = failureOf(supervisor.start())
    const pids = pidsOf(supervisor)
    expect((await starting).message).to.match(/it was not ready within 500 ms/)
    expect(pids.filter(isAlive)).to.deep.equal([])
  })

  it('kills a worker that does not obey, or is frozen, when its time is over', async () => {
    const { supervisor, logged } = supervise('ignores-stop', { graceMs: 300 })
    await supervisor.start()
    const pids = pidsOf(supervisor)
    kill(supervisor.workers()[0], 'SIGSTOP')
    await supervisor.stop(deadlineIn(5_000))
    expect(pids.filter(isAlive)).to.deep.equal([])
    expect(logged().match(/did not end in time and is killed/g)).to.have.length(2)
  })

  it('lets a second stop with no time left end what the first still waits for', async () => {
    const { supervisor } = supervise('ignores-stop', { count: 1, graceMs: 600_000 })
    await supervisor.start()
    const pids = pidsOf(supervisor)
    const patient = supervisor.stop(deadlineIn(600_000))
    await supervisor.stop(deadlineIn(0))
    await patient
    expect(pids.filter(isAlive)).to.deep.equal([])
  })

  it('ends its start when it is stopped during it', async () => {
    const { supervisor } = supervise('hangs', { count: 1, graceMs: 1_000 })
    const starting = failureOf(supervisor.start())
    const pids = pidsOf(supervisor)
    await supervisor.stop(deadlineIn(5_000))
    expect((await starting).message).to.equal('stopped while it was starting')
    expect(pids.filter(isAlive)).to.deep.equal([])
  })

  it('replaces all workers at a reload, each when its successor is ready', async () => {
    const { supervisor } = supervise('good', { count: 2 })
    await supervisor.start()
    const before = pidsOf(supervisor)
    const steps: string[] = []
    expect(await supervisor.reload(({ step, worker }) => steps.push(`${step} ${worker}`))).to.equal(2)
    const order = ['starting', 'ready', 'draining', 'ended']
    expect(steps).to.deep.equal(['web-1', 'web-2'].flatMap((id) => order.map((step) => `${step} ${id}`)))
    const after = pidsOf(supervisor)
    expect(after).to.have.length(2)
    expect(before.filter(isAlive)).to.deep.equal([])
    await supervisor.stop(deadlineIn(5_000))
  })

  for (const [build, reason] of [
    ['exits:1', 'it ended (exit code 7)'],
    ['fails:1', 'the dog ate the database'],
    ['hangs', 'it was not ready within 4000 ms'],
  ] as const) {
    it(`keeps the workers of before when the new build ${build.replace(':1', '')}, and says why`, async () => {
      const { supervisor, env } = supervise('good', { count: 2, bootTimeoutMs: 4_000 })
      await supervisor.start()
      const before = pidsOf(supervisor)
      env.FIXTURE_BEHAVIOUR = build
      expect((await failureOf(supervisor.reload())).message).to.equal(
        `the reload was aborted, and all workers go on as they were: web worker 1 did not start: ${reason}`,
      )
      expect(pidsOf(supervisor)).to.deep.equal(before)
      env.FIXTURE_BEHAVIOUR = 'good'
      expect(await supervisor.reload()).to.equal(2)
      pidsOf(supervisor)
      await supervisor.stop(deadlineIn(5_000))
    })
  }

  it('keeps the workers of before when the new build says that it is ready and breaks at once', async () => {
    const { supervisor, env } = supervise('good', { probationMs: 2_000 })
    await supervisor.start()
    const before = pidsOf(supervisor)
    env.FIXTURE_BEHAVIOUR = 'breaks-when-ready'
    expect((await failureOf(supervisor.reload())).message).to.equal(
      'the reload was aborted, and all workers go on as they were: it ended right after it was ready (exit code 7)',
    )
    await eventually(() => expect(pidsOf(supervisor)).to.deep.equal(before))
    await supervisor.stop(deadlineIn(5_000))
  })

  it('replaces a worker that dies while the one that it took over from still finishes something', async () => {
    const { supervisor, env } = supervise('ignores-stop', { count: 1, graceMs: 60_000 })
    await supervisor.start()
    const [old] = pidsOf(supervisor)
    env.FIXTURE_BEHAVIOUR = 'good'
    const reloaded = supervisor.reload()
    const draining = () => supervisor.workers().find(({ pid }) => pid === old)?.state
    await eventually(() => expect(draining()).to.equal('draining'))

    kill(
      supervisor.workers().find(({ pid }) => pid !== old),
      'SIGKILL',
    )
    await eventually(() => {
      expect(pidsOf(supervisor)).to.include(old)
      expect(supervisor.workers().map(({ state }) => state)).to.have.members(['draining', 'ready'])
    })
    kill(
      supervisor.workers().find(({ pid }) => pid === old),
      'SIGKILL',
    )
    expect(await reloaded).to.equal(1)
    await supervisor.stop(deadlineIn(5_000))
  })

  for (const [change, replace] of [
    ['a drain', (supervisor: Supervisor) => supervisor.drain('web-2')],
    ['a reload', (supervisor: Supervisor) => supervisor.reload()],
  ] as const) {
    it(`looks after the worker that ${change} puts in the place of one that was still starting`, async () => {
      const { supervisor, env } = supervise('good', { count: 1 })
      await supervisor.start()
      env.FIXTURE_BEHAVIOUR = 'hangs'
      const scaled = supervisor.scale('web', 2)
      await eventually(() => expect(supervisor.workers()).to.have.length(2))
      env.FIXTURE_BEHAVIOUR = 'good'
      await replace(supervisor)
      await scaled
      const pids = pidsOf(supervisor)
      expect(supervisor.workers().map(({ id, state }) => [id, state])).to.deep.equal([
        ['web-1', 'ready'],
        ['web-2', 'ready'],
      ])
      await supervisor.stop(deadlineIn(5_000))
      expect(pids.filter(isAlive)).to.deep.equal([])
    })
  }

  it('forks nobody into a slot that was given up while a reload was under way', async () => {
    const { supervisor, env } = supervise('good', { count: 1 })
    await supervisor.start()
    env.FIXTURE_BEHAVIOUR = 'hangs'
    const scaled = failureOf(supervisor.scale('web', 2))
    await eventually(() => expect(supervisor.workers()).to.have.length(2))
    const [, second] = supervisor.workers()
    env.FIXTURE_BEHAVIOUR = 'good'
    const reloaded = supervisor.reload()
    kill(second, 'SIGKILL')
    expect((await scaled).message).to.contain('SIGKILL')
    expect(await reloaded).to.equal(1)
    expect(pidsOf(supervisor)).to.have.length(1)
    await supervisor.stop(deadlineIn(5_000))
  })

  it('says how many go on as they were when a reload is aborted half-way', async () => {
    const { supervisor, env } = supervise('good', { count: 2 })
    await supervisor.start()
    pidsOf(supervisor)
    env.FIXTURE_BEHAVIOUR = 'exits:2'
    expect((await failureOf(supervisor.reload())).message).to.contain('1 of 2 workers go on as they were')
    expect(pidsOf(supervisor)).to.have.length(2)
    await supervisor.stop(deadlineIn(5_000))
  })

  it('replaces as many workers at a time as a reload is told', async () => {
    const { supervisor } = supervise('good', { count: 5 })
    await supervisor.start()
    const before = pidsOf(supervisor)
    let starting = 0
    let most = 0
    const tell: TellProgress = ({ step }) => {
      if (step === 'starting') most = Math.max(most, ++starting)
      if (step === 'draining') starting -= 1
    }
    expect(await supervisor.reload(tell, 2)).to.equal(5)
    expect(most).to.equal(2)
    expect(await supervisor.reload(tell)).to.equal(5)
    most = 0
    expect(await supervisor.reload(tell, 100)).to.equal(5)
    expect(most).to.equal(5)
    expect(before.filter(isAlive)).to.deep.equal([])
    pidsOf(supervisor)
    await supervisor.stop(deadlineIn(5_000))
  })

  it('begins no further replacement when one of several at a time fails', async () => {
    const { supervisor, env } = supervise('good', { count: 4 })
    await supervisor.start()
    const before = pidsOf(supervisor)
    env.FIXTURE_BEHAVIOUR = 'exits:1'
    expect((await failureOf(supervisor.reload(() => {}, 2))).message).to.match(/^the reload was aborted/)
    expect(pidsOf(supervisor)).to.include.members([before[0], before[3]])
    expect(supervisor.workers().map(({ state }) => state)).to.deep.equal(Array(4).fill('ready'))
    await supervisor.stop(deadlineIn(5_000))
  })

  it('lets job workers of the old build finish, in a grace of their own, while new ones have taken over', async () => {
    const env = { FIXTURE_BEHAVIOUR: 'ignores-stop' }
    const kinds = [
      { role: 'web' as const, count: 1, exec, env: { FIXTURE_BEHAVIOUR: 'good' } },
      { role: 'jobs' as const, count: 2, exec, env, graceMs: 60_000 },
    ]
    const { supervisor } = supervise('good', { kinds })
    await supervisor.start()
    pidsOf(supervisor)
    env.FIXTURE_BEHAVIOUR = 'good'
    const reloaded = supervisor.reload()
    await eventually(() => {
      const states = supervisor.workers().map(({ role, state }) => `${role} ${state}`)
      expect(states.toSorted()).to.deep.equal([
        'jobs draining',
        'jobs draining',
        'jobs ready',
        'jobs ready',
        'web ready',
      ])
    }, 10_000)
    const draining = supervisor.workers().filter(({ state }) => state === 'draining')
    draining.forEach((worker) => kill(worker, 'SIGKILL'))
    expect(await reloaded).to.equal(3)
    pidsOf(supervisor)
    await supervisor.stop(deadlineIn(5_000))
  })

  it('has balancers told before it stops, and keeps everything running until they know', async () => {
    const { supervisor, logged } = supervise('good', { drainDelayMs: 60_000 })
    await supervisor.start()
    const told = supervisor.announceStop(deadlineIn(120_000))
    await eventually(() => expect(logged()).to.contain('readiness is off for load balancers'))
    kill(supervisor.workers()[0], 'SIGKILL')
    await eventually(() => {
      expect(supervisor.workers().map(({ state }) => state)).to.deep.equal(['ready', 'ready'])
    })
    pidsOf(supervisor)
    expect((await failureOf(supervisor.reload())).message).to.equal('the server is stopping')
    void supervisor.announceStop(deadlineIn(0))
    await told
    await supervisor.stop(deadlineIn(5_000))
    expect(supervisor.workers()).to.deep.equal([])
  })

  it('bounds the heap of each worker by its share of the memory, and replaces one that outgrows it', async () => {
    const shares: number[] = []
    const memory = (workers: number) => {
      shares.push(workers)
      return { heapMb: 123, rssBytes: 1_000 }
    }
    const recycle = { maxRssBytes: 'share' as const, maxAgeMs: null, leastAgeMs: 0 }
    const { supervisor, env, logged } = supervise('large:2000', { count: 2, memory, recycle })
    await supervisor.start()
    const before = pidsOf(supervisor)
    expect(await readFile(`/proc/${before[0]}/cmdline`, 'utf8')).to.include('--max-old-space-size=123')
    expect(shares).to.include(2)
    env.FIXTURE_BEHAVIOUR = 'good'
    await eventually(() => expect(logged()).to.contain('it has 2000 bytes'))
    await eventually(() => expect(before.filter(isAlive)).to.deep.equal([]), 10_000)
    pidsOf(supervisor)
    await supervisor.stop(deadlineIn(5_000))
  })

  it('lets all who ask during a reload share one more', async () => {
    const { supervisor, logged } = supervise('good', { count: 1 })
    await supervisor.start()
    pidsOf(supervisor)
    const first = supervisor.reload()
    const others = [supervisor.reload(), supervisor.reload(), supervisor.reload()]
    expect(await Promise.all([first, ...others])).to.deep.equal([1, 1, 1, 1])
    expect(logged().match(/"reloaded"/g)).to.have.length(2)
    pidsOf(supervisor)
    await supervisor.stop(deadlineIn(5_000))
  })

  it('ends a reload when it is stopped during it, and leaves no worker', async () => {
    const { supervisor, env } = supervise('good', { count: 2 })
    await supervisor.start()
    env.FIXTURE_BEHAVIOUR = 'hangs'
    const reloading = failureOf(supervisor.reload())
    await eventually(() => expect(supervisor.workers()).to.have.length(3))
    const pids = pidsOf(supervisor)
    await supervisor.stop(deadlineIn(5_000))
    expect((await reloading).message).to.equal('the server is stopping')
    expect(pids.filter(isAlive)).to.deep.equal([])
    expect((await failureOf(supervisor.reload())).message).to.equal('the server is stopping')
  })

  it('fills the lowest slots and empties the highest', async () => {
    const { supervisor } = supervise('good', { count: 1 })
    await supervisor.start()
    const [first] = pidsOf(supervisor)
    await supervisor.scale('web', 4)
    expect(supervisor.workers().map(({ id }) => id)).to.deep.equal(['web-1', 'web-2', 'web-3', 'web-4'])
    pidsOf(supervisor)
    await supervisor.scale('web', 1)
    expect(pidsOf(supervisor)).to.deep.equal([first])
    await supervisor.stop(deadlineIn(5_000))
  })

  it('ends with the number that was asked for last, however fast they change', async () => {
    const { supervisor } = supervise('good', { count: 2 })
    await supervisor.start()
    const changes = [6, 1, 3].map((count) => supervisor.scale('web', count))
    expect(supervisor.count('web')).to.equal(3)
    pidsOf(supervisor)
    await Promise.all(changes)
    expect(
      supervisor
        .workers()
        .map(({ id }) => id)
        .toSorted(),
    ).to.deep.equal(['web-1', 'web-2', 'web-3'])
    pidsOf(supervisor)
    await supervisor.stop(deadlineIn(5_000))
  })

  it('gives up the slot of an additional worker that cannot start', async () => {
    const { supervisor, env } = supervise('good', { count: 1 })
    await supervisor.start()
    env.FIXTURE_BEHAVIOUR = 'exits:2'
    expect((await failureOf(supervisor.scale('web', 2))).message).to.contain('web worker 2 did not start')
    expect(supervisor.count('web')).to.equal(1)
    pidsOf(supervisor)
    await supervisor.stop(deadlineIn(5_000))
  })

  it('replaces one worker when it is drained', async () => {
    const { supervisor } = supervise('good', { count: 2 })
    await supervisor.start()
    const [first, second] = pidsOf(supervisor)
    await supervisor.drain('web-2')
    const after = pidsOf(supervisor)
    expect(after[0]).to.equal(first)
    expect(after[1]).to.not.equal(second)
    await supervisor.stop(deadlineIn(5_000))
  })

  it('kills and replaces a worker that shows no life, and tells its state', async () => {
    const { supervisor, logged } = supervise('good', { count: 2, hungAfterMs: 1_000 })
    await supervisor.start()
    const before = pidsOf(supervisor)
    kill(supervisor.workers()[0], 'SIGSTOP')
    await eventually(() => {
      const [first, second] = supervisor.workers().toSorted((a, b) => a.slot - b.slot)
      expect(first?.state).to.equal('ready')
      expect(first?.pid).to.not.equal(before[0])
      expect(second?.pid).to.equal(before[1])
    }, 10_000)
    expect(logged()).to.match(/"State":"T \(stopped\)".*"worker hangs and is killed"/)
    pidsOf(supervisor)
    await supervisor.stop(deadlineIn(5_000))
  })

  it('recycles workers that are too large, one at a time, but none that was just born', async () => {
    const recycle = { maxRssBytes: 1_000, maxAgeMs: null, leastAgeMs: 1_000 }
    const { supervisor, env, logged } = supervise('large:2000', { count: 2, recycle })
    await supervisor.start()
    const before = pidsOf(supervisor)
    env.FIXTURE_BEHAVIOUR = 'good'
    await eventually(() => {
      expect(before.filter(isAlive)).to.deep.equal([])
      expect(supervisor.workers().map(({ state }) => state)).to.deep.equal(['ready', 'ready'])
    }, 10_000)
    const events = logged().match(/worker is recycled|worker has ended/g)
    expect(events).to.deep.equal([
      'worker is recycled',
      'worker has ended',
      'worker is recycled',
      'worker has ended',
    ])
    pidsOf(supervisor)
    await supervisor.stop(deadlineIn(5_000))
  })

  it('recycles all workers that are too old, although the first is so again soon', async () => {
    const { supervisor } = supervise('good', { count: 2, recycle: { maxRssBytes: null, maxAgeMs: 500 } })
    await supervisor.start()
    const before = pidsOf(supervisor)
    await eventually(() => expect(before.filter(isAlive)).to.deep.equal([]), 10_000)
    pidsOf(supervisor)
    await supervisor.stop(deadlineIn(5_000))
    pidsOf(supervisor)
  })

  it('leaves no worker behind when the primary itself is killed', async () => {
    const primary = spawn(process.execPath, ['--import', 'tsx', path.join(fixtures, 'primary.ts')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    trackChild(primary.pid ?? 0, 'a fixture primary')
    const [line] = await once(primary.stdout, 'data')
    const pids: number[] = JSON.parse(String(line))
    expect(pids).to.have.length(2)
    expect(pids.every(isAlive)).to.equal(true)
    primary.kill('SIGKILL')
    await eventually(() => expect(pids.filter(isAlive)).to.deep.equal([]))
  })
})

describe('the pause before a replacement', () => {
  const backoff = { firstMs: 100, longestMs: 1_000, stableMs: 5_000 }

  it('doubles up to its maximum', () => {
    const pauses = [1, 2, 3, 4, 5, 1_000].map((failures) => backoffMs(backoff, failures, () => 1))
    expect(pauses).to.deep.equal([100, 200, 400, 800, 1_000, 1_000])
  })

  it('is spread over its upper half', () => {
    expect(backoffMs(backoff, 1, () => 0)).to.equal(50)
  })
})

describe('a message between primary and worker', () => {
  it('is checked when it arrives', () => {
    expect(parseWorkerMessage({ type: 'ready', port: 80, memberId: 'm', more: 1 })).to.deep.equal({
      type: 'ready',
      port: 80,
      memberId: 'm',
    })
    expect(parseWorkerMessage({ type: 'ready', port: null })).to.deep.equal({
      type: 'ready',
      port: null,
      memberId: null,
    })
    expect(parseWorkerMessage({ type: 'heartbeat', eventLoopLagMs: 1, rssBytes: 2 })).to.deep.equal({
      type: 'heartbeat',
      eventLoopLagMs: 1,
      rssBytes: 2,
      leaseMs: null,
      cachedSessions: null,
      requests: null,
      revocationMs: null,
    })
    expect(parsePrimaryMessage({ type: 'stop-ahead' })).to.deep.equal({ type: 'stop-ahead' })
    expect(parsePrimaryMessage({ type: 'stop', graceMs: 5 })).to.deep.equal({ type: 'stop', graceMs: 5 })
    const foreign = [
      null,
      'ready',
      7,
      [],
      {},
      { type: 'ready' },
      { type: 'ready', port: 0 },
      { type: 'failed' },
      { type: 'heartbeat', eventLoopLagMs: -1, rssBytes: 2 },
      { type: 'ask' },
    ]
    for (const value of foreign) expect(parseWorkerMessage(value)).to.equal(null)
    const nonsense = [
      null,
      'stop',
      { type: 'stop' },
      { type: 'stop', graceMs: NaN },
      { type: 'stop', graceMs: -1 },
      { type: 'answer', id: 1 },
    ]
    for (const value of nonsense) expect(parsePrimaryMessage(value)).to.equal(null)
  })
})
