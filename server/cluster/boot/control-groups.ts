/** What the control groups around this process say, by which a container is limited. */
import { readFileSync } from 'node:fs'
import path from 'node:path'

/** The text of a file of the system, or null when there is none. */
export type ReadSystemFile = (file: string) => string | null

export const readSystemFile: ReadSystemFile = (file) => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}

/** The numbers in a file of our group and of each group around it, from the inside out; only those above zero. */
export function groupNumbers(read: ReadSystemFile, file: string): number[][] {
  const group = /^0::(\/.*)$/m.exec(read('/proc/self/cgroup') ?? '')?.[1] ?? '/'
  return withParents(group).map((folder) => numbersIn(read(path.join('/sys/fs/cgroup', folder, file))))
}

export function numbersIn(text: string | null): number[] {
  return (text ?? '')
    .trim()
    .split(/\s+/)
    .map(Number)
    .filter((value) => value > 0)
}

function withParents(group: string): string[] {
  const parent = path.dirname(group)
  return parent === group ? [group] : [group, ...withParents(parent)]
}
