/** What is done to what: `retry` for `/api/queues/:queueName/:jobId/retry`. */
export interface ActionFacts {
  readonly action: string
  readonly queue?: string
  readonly job?: string
  /** `done`, or why it was not. */
  readonly outcome?: string
  readonly [more: string]: unknown
}
