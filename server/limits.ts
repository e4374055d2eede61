/** The application's own limits: add yours here, and name them in the routes that are charged to them. */
import type { LimitPolicy } from '../shared/limits/policy.ts'

export const limits: readonly LimitPolicy[] = []
