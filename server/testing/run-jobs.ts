import { setTimeout as pause } from 'node:timers/promises'
import type { Queues } from '../../shared/queues/queues.ts'

/** How long jobs may take in a test before that is an error. */
const patienceMs = 20_000
const lookEveryMs = 20

/** Resolves when no job waits or is being done; delayed ones are left for later. */
export async function untilIdle(queues: Pick<Queues, 'jobs' | 'bull'>): Promise<void> {
  const patience = performance.now() + patienceMs
  for (;;) {
    const busy = await busyJobs(queues)
    if (busy.length === 0) return
    if (performance.now() > patience) throw new Error(`these jobs are not done: ${busy.join(', ')}`)
    await pause(lookEveryMs)
  }
}

async function busyJobs({ jobs, bull }: Pick<Queues, 'jobs' | 'bull'>): Promise<string[]> {
  const names = [...jobs.keys()]
  const counts = await Promise.all(
    names.map((name) =>
      bull(name).getJobCountByTypes('waiting', 'active', 'prioritized', 'waiting-children'),
    ),
  )
  return names.filter((_name, index) => (counts[index] ?? 0) > 0)
}
