/**
 * What the primary tells a worker that it forks, in variables of our own beside the public ones. No one else
 * sets them (NODE_APP_INSTANCE would not do: under pm2 all workers that we fork inherit the same value).
 */
import type { Environment } from '../config/environment.ts'
import { keySpaceVariable } from '../deployment/assigned-space.ts'

export const workerRoles = ['web', 'jobs'] as const
export type WorkerRole = (typeof workerRoles)[number]

/** The place of a worker among its kind: `slot` counts from 1 and is kept by its replacements. */
export interface WorkerAssignment {
  readonly role: WorkerRole
  readonly slot: number
  /** Of this process alone: its replacement in the slot has another one. */
  readonly instance: string
}

const roleVariable = 'LOCKSTEP_ROLE'
const slotVariable = 'LOCKSTEP_SLOT'
const instanceVariable = 'LOCKSTEP_INSTANCE'
/** The module of the application, as it was named: every process finds it anew, so that it may be another release. */
const applicationVariable = 'LOCKSTEP_APP'

export const assignmentVariables: ReadonlySet<string> = new Set([
  roleVariable,
  slotVariable,
  instanceVariable,
  keySpaceVariable,
  applicationVariable,
])

/** Null: the built-in application. */
export function applicationFile(env: Environment): string | null {
  return env[applicationVariable] || null
}

export function applicationEnvironment(file: string): Record<string, string> {
  return { [applicationVariable]: file }
}

export function assignmentEnvironment({ role, slot, instance }: WorkerAssignment): Record<string, string> {
  return { [roleVariable]: role, [slotVariable]: String(slot), [instanceVariable]: instance }
}

/** What a job worker is called where jobs are kept: `jobs-1/kq3fJ0aB1x9c`. */
export function processName({ role, slot, instance }: WorkerAssignment): string {
  return `${role}-${slot}/${instance}`
}

/** Null when the process was not forked by our primary. */
export function readAssignment(env: Environment): WorkerAssignment | null {
  const role = workerRoles.find((word) => word === env[roleVariable])
  const slot = Number(env[slotVariable])
  const { [instanceVariable]: instance = '' } = env
  return role !== undefined && Number.isInteger(slot) && slot >= 1 ? { role, slot, instance } : null
}
