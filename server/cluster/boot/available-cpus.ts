import { availableParallelism } from 'node:os'
import path from 'node:path'
import { groupNumbers, numbersIn, readSystemFile, type ReadSystemFile } from './control-groups.ts'

/**
 * The CPUs that this process may use. A container is often limited by a quota of time instead of by a set of CPUs,
 * which `availableParallelism` does not see: it would fork 64 workers for the time of two.
 */
export function availableCpus(facts: CpuFacts = systemCpuFacts): number {
  const quota = Math.min(quotaV2(facts.read), quotaV1(facts.read))
  // A quota of 1.5 is worth a second worker, as JVM and Go see it too.
  return Math.max(1, Math.min(facts.cpus, Math.ceil(quota)))
}

export interface CpuFacts {
  readonly cpus: number
  readonly read: ReadSystemFile
}

const systemCpuFacts: CpuFacts = {
  cpus: availableParallelism(),
  read: readSystemFile,
}

/** CPUs by `cpu.max` ("150000 100000", or "max 100000") of our group and of each group around it. */
function quotaV2(read: CpuFacts['read']): number {
  const quotas = groupNumbers(read, 'cpu.max').map(([quota, period]) =>
    quota !== undefined && period !== undefined ? quota / period : Infinity,
  )
  return Math.min(...quotas)
}

/** CPUs by `cpu.cfs_quota_us` (-1: no limit); inside a container its own group is mounted at the root. */
function quotaV1(read: CpuFacts['read']): number {
  const quotas = ['/sys/fs/cgroup/cpu', '/sys/fs/cgroup/cpu,cpuacct'].map((folder) => {
    const [quota] = numbersIn(read(path.join(folder, 'cpu.cfs_quota_us')))
    const [period] = numbersIn(read(path.join(folder, 'cpu.cfs_period_us')))
    return quota !== undefined && period !== undefined ? quota / period : Infinity
  })
  return Math.min(...quotas)
}
