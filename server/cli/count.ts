import { mostWorkers } from '../../shared/process/control-request.ts'
import { UsageError } from './command.ts'

/** A number of workers, as an option says it. */
export function count(option: string, text: string, least: number): number {
  const value = Number(text)
  if (/^\d{1,3}$/.test(text) && value >= least && value <= mostWorkers) return value
  throw new UsageError(`${option} takes a whole number from ${least} to ${mostWorkers}`)
}
