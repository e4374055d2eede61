import type { DurabilityMode } from './coherence.ts'

/**
 * The mode of a process that was told what the primary found out about Redis. Told nothing that it knows (`auto`), nobody
 * stays signed in over a restart: that is safe whatever Redis keeps.
 */
export function assignedDurability(told: string): DurabilityMode {
  return told === 'keep' || told === 'failover' ? told : 'fence'
}
