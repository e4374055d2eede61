/**
 * What a server process is wrapped in, so that it never outlives us and never shares its files.
 *
 * - It ends when the process that started it does, by SIGKILL too: an orphan would hold the data directory and
 *   no one would ever stop it.
 * - One server at a time per lock file. Redis has no lock of its own: two of them would append to one file in
 *   turn and destroy it.
 *
 * On Linux both come from util-linux (`setpriv`, `flock`), and the process that we start becomes the server. Where
 * these are absent (macOS, Alpine without util-linux) a small shell waits beside the server for our end of a pipe
 * to close, and the lock is left to the caller, who can see whether the server of the last time still answers.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface Guard {
  /** Whether the lock file is honoured. */
  readonly locks: boolean
  /** Whether file descriptor 3 of the command must be a pipe whose other end dies with us. */
  readonly lifeline: boolean
  wrap(command: readonly string[], lockFile: string): string[]
}

/** The exit code of a wrapped command whose lock is held by another. */
export const lockedExitCode = 75

/** How long the lock is waited for: a server whose owner was killed needs a moment to write its file and go. */
export const lockWaitMs = 3_000

export const utilLinuxGuard: Guard = {
  locks: true,
  lifeline: false,
  wrap(command, lockFile) {
    const endWithUs = ['setpriv', '--pdeathsig', 'SIGTERM']
    // Had we died before setpriv asked for the signal, it would never come: then the parent is another by now.
    const onlyIfWeLive = ['sh', '-c', '[ "$PPID" = "$0" ] && exec "$@"', String(process.pid)]
    const wait = ['-w', String(lockWaitMs / 1_000), '-E', String(lockedExitCode)]
    return [...endWithUs, ...onlyIfWeLive, 'flock', ...wait, '--no-fork', lockFile, ...command]
  },
}

/** The server reads its configuration from our stdin, the watcher beside it waits for the end of the lifeline. */
const watchLifeline = `
  exec 4<&0
  "$@" <&4 3<&- 4<&- &
  server=$!
  exec 4<&-
  trap 'kill -TERM $server' TERM
  { cat <&3 >/dev/null; kill -TERM $server; } 2>/dev/null &
  watcher=$!
  wait $server; code=$?
  while kill -0 $server 2>/dev/null; do wait $server; code=$?; done
  kill $watcher 2>/dev/null
  exit $code
`

export const portableGuard: Guard = {
  locks: false,
  lifeline: true,
  wrap: (command) => ['sh', '-c', watchLifeline, 'redis-guard', ...command],
}

/** The strongest guard that this system has the programs for. */
export async function findGuard(): Promise<Guard> {
  const [setpriv, flock] = await Promise.all([helpOf('setpriv'), helpOf('flock')])
  return setpriv.includes('--pdeathsig') && flock.includes('--no-fork') ? utilLinuxGuard : portableGuard
}

async function helpOf(program: string): Promise<string> {
  try {
    const { stdout, stderr } = await run(program, ['--help'])
    return stdout + stderr
  } catch {
    return ''
  }
}
