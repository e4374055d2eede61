/** The thread of the stall watch. */
import { Session, type Debugger } from 'node:inspector'
import { setTimeout as pause } from 'node:timers/promises'
import { workerData } from 'node:worker_threads'
import { lookEveryMs, type StallWatch } from './stall-watch.ts'

/** The debugger gets in at the next call or turn of a loop. Later it would show where a stall is over. */
const pauseWithinMs = 2_000
const framesShown = 20

const { turns, afterMs, log } = workerData as StallWatch

let seen = -1
let stillMs = 0
for (;;) {
  await pause(lookEveryMs)
  const now = Atomics.load(turns, 0)
  // Counted in looks, not by a clock: a machine that was suspended has not stalled.
  stillMs = now === seen ? stillMs + lookEveryMs : 0
  seen = now
  // Once for each stall.
  if (stillMs >= afterMs && stillMs < afterMs + lookEveryMs) await tell(await stackOfMainThread())
}

async function tell(stack: string[] | null): Promise<void> {
  const { createLogger } = await import('../../telemetry/log.ts')
  createLogger(log).error(
    {
      stalledMs: stillMs,
      stack: stack ?? 'not in JavaScript: a system call, a native module or a long match',
    },
    'the event loop stands still',
  )
}

/** Null when the main thread runs no JavaScript that could be interrupted. */
function stackOfMainThread(): Promise<string[] | null> {
  const session = new Session()
  session.connectToMainThread()
  const files = new Map<string, string>()
  session.on('Debugger.scriptParsed', ({ params }) => void files.set(params.scriptId, params.url))
  return new Promise<string[] | null>((resolve) => {
    const patience = setTimeout(resolve, pauseWithinMs, null)
    session.once('Debugger.paused', ({ params }) => {
      clearTimeout(patience)
      resolve(params.callFrames.slice(0, framesShown).map((frame) => describeFrame(frame, files)))
    })
    session.post('Debugger.enable')
    session.post('Debugger.pause')
    // Lets go of the main thread too, if it is paused.
  }).finally(() => session.disconnect())
}

function describeFrame({ functionName, location }: Debugger.CallFrame, files: Map<string, string>): string {
  const { scriptId, lineNumber, columnNumber = 0 } = location
  const file = files.get(scriptId) || '(unknown)'
  return `${functionName || '(anonymous)'} (${file}:${lineNumber + 1}:${columnNumber + 1})`
}
