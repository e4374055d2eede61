/**
 * Where log lines go: standard output, at once, so that the last words of a dying process are not lost. It never ends or
 * delays the process. What can't be written, because the disk is full, or because who reads has gone or does not read, is
 * dropped and counted, and when writing works again a line says how much is missing.
 */
import { constants, fstatSync, openSync, writeSync } from 'node:fs'
import type { Writable } from 'node:stream'
import { isMainThread } from 'node:worker_threads'

export interface LogOutput {
  write(line: string): void
  /** Writes what waits for a slow reader, as far as it takes it now. */
  flush(): void
  /** Lines that were lost so far. */
  readonly dropped: number
}

export interface LogGap {
  /** Lines that were lost one after the other. */
  readonly dropped: number
  /** Why, as the system calls it. */
  readonly code: string
}

/** What may wait for a reader that is slow. */
const mostWaiting = 256 * 1024
const retryMs = 50
/** How often it is tried whether a full disk has room again, when nothing is logged. */
const probeMs = 1_000

/** `write` writes as much as it can, gives the number of bytes, and throws as `fs.writeSync` does. */
export function createLogOutput(
  write: (bytes: Buffer) => number,
  describe: (gap: LogGap) => string,
): LogOutput {
  /** The rest of a line that has begun. */
  let rest: Buffer | null = null
  let waiting: Buffer[] = []
  let waitingBytes = 0
  let gap: LogGap | null = null
  /** The rest of a line that had begun was lost. */
  let torn = false
  let dropped = 0
  let timer: NodeJS.Timeout | undefined

  function attempt(bytes: Buffer): 'out' | 'later' | 'lost' {
    let written = 0
    try {
      while (written < bytes.length) written += write(bytes.subarray(written))
      return 'out'
    } catch (failure) {
      const { code = 'unknown' } = failure as NodeJS.ErrnoException
      if (code === 'EAGAIN' && written === 0) return 'later'
      if (code === 'EAGAIN') {
        rest = bytes.subarray(written)
        return 'out'
      }
      torn ||= written > 0
      lose(1, code)
      return 'lost'
    }
  }

  function lose(lines: number, code: string): void {
    dropped += lines
    gap = { dropped: (gap?.dropped ?? 0) + lines, code }
  }

  /** Writes until the reader, or the disk, takes no more. */
  function drain(): void {
    while (rest !== null || gap !== null || waiting.length > 0) {
      const outcome = rest !== null ? finishLine(rest) : gap !== null ? tellGap(gap) : writeNext()
      if (outcome === 'out') continue
      // A full disk takes none of them; a slow reader may.
      if (outcome === 'lost') dropWaiting()
      return tryLater(outcome === 'later' ? retryMs : probeMs)
    }
  }

  function finishLine(bytes: Buffer) {
    rest = null
    const outcome = attempt(bytes)
    if (outcome === 'later') rest = bytes
    if (outcome === 'lost') torn = true
    return outcome
  }

  function tellGap(told: LogGap) {
    gap = null
    const before = dropped
    const outcome = attempt(Buffer.from(`${torn ? '\n' : ''}${describe(told)}`))
    if (outcome === 'out') torn = false
    else {
      // No one misses this line.
      dropped = before
      gap = told
    }
    return outcome
  }

  function writeNext() {
    const [bytes] = waiting
    if (bytes === undefined) return 'out'
    const outcome = attempt(bytes)
    if (outcome !== 'later') {
      waiting.shift()
      waitingBytes -= bytes.length
    }
    return outcome
  }

  function dropWaiting(): void {
    if (waiting.length > 0) lose(waiting.length, gap?.code ?? 'unknown')
    waiting = []
    waitingBytes = 0
  }

  function tryLater(afterMs: number): void {
    timer ??= setTimeout(() => {
      timer = undefined
      drain()
    }, afterMs).unref()
  }

  return {
    write(line) {
      const bytes = Buffer.from(line)
      const slow = waiting.length > 0 || rest !== null
      if (slow && waitingBytes + bytes.length > mostWaiting) return lose(1, 'EAGAIN')
      waiting.push(bytes)
      waitingBytes += bytes.length
      // One look at a slow reader each moment is enough.
      if (!slow) drain()
    },
    flush: drain,
    get dropped() {
      return dropped
    },
  }
}

/** The outputs of this process; a process has one, but for tests. */
const outputs: LogOutput[] = []

function counted(output: LogOutput): LogOutput {
  if (outputs.length === 0) process.once('exit', () => outputs.forEach((each) => each.flush()))
  outputs.push(output)
  return output
}

/** The lines that this process could not write. */
export function droppedLogLines(): number {
  return outputs.reduce((sum, output) => sum + output.dropped, 0)
}

/** The standard output of this process. */
export function standardOutput(describe: (gap: LogGap) => string): LogOutput {
  return counted(createLogOutput(openWithoutWaiting(), describe))
}

/** A stream of Node as an output: what it does not take for long is dropped. */
export function streamOutput(stream: Writable, describe: (gap: LogGap) => string): LogOutput {
  stream.on('error', () => {})
  const write = (bytes: Buffer) => {
    if (stream.destroyed) throw Object.assign(new Error('the reader has gone'), { code: 'EPIPE' })
    if (stream.writableLength > mostWaiting) throw Object.assign(new Error('no room'), { code: 'EAGAIN' })
    stream.write(bytes)
    return bytes.length
  }
  return counted(createLogOutput(write, describe))
}

/**
 * Writing must not wait for a reader. That is a mode of the open file, which others may share who do not expect it, so a
 * pipe or terminal is opened once more. A socket can't be; it has its mode set before each write, since any process of
 * Node that shares it sets it back when it ends.
 */
function openWithoutWaiting(): (bytes: Buffer) => number {
  try {
    const kind = fstatSync(1)
    if (kind.isSocket() && isMainThread) {
      const { _handle: handle } = process.stdout as { _handle?: { setBlocking?(blocking: boolean): unknown } }
      return (bytes) => {
        handle?.setBlocking?.(false)
        return writeSync(1, bytes)
      }
    }
    if (!kind.isFile() && !kind.isSocket()) {
      const flags = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY
      const file = openSync('/proc/self/fd/1', flags)
      return (bytes) => writeSync(file, bytes)
    }
  } catch {
    // There is no /proc, or it is closed.
  }
  return (bytes) => writeSync(1, bytes)
}
