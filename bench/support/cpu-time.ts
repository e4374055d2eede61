/**
 * CPU time of processes, from Linux' scheduler: exact to the nanosecond, while `/proc/PID/stat` counts in steps
 * of 10 ms. CPU per request says what a server costs even on a machine that others use at the same time;
 * requests per second say how much of the machine it got.
 */
import { readdirSync, readFileSync } from 'node:fs'

/** Milliseconds of CPU that the living threads of these processes have used since they began. */
export function cpuTimeMs(pids: readonly number[]): number {
  let nanoseconds = 0
  for (const pid of pids) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const [onCpu = '0'] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')
      nanoseconds += Number(onCpu)
    }
  }
  return nanoseconds / 1e6
}

/** The process and everything that it started. */
export function processTree(root: number): number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    const parent = parentOf(name)
    if (parent !== null) children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const tree = [root]
  for (const pid of tree) tree.push(...(children.get(pid) ?? []))
  return tree
}

function parentOf(pid: string): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name of the program is in parentheses and may hold anything.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return null
  }
}
