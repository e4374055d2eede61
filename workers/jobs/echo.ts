import { z } from 'zod'
import { defineJob } from '../../shared/queues/job.ts'

/** Gives back what it was given: for trying out that jobs are done. */
export const echo = defineJob({
  name: 'echo',
  payload: z.strictObject({ message: z.string().max(1_000) }),
  enqueue: 'anyone signed in',
  handler: async ({ data, log }) => {
    log.info({}, 'echoed')
    return { message: data.message }
  },
})
