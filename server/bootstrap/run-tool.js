import { spawn } from 'node:child_process'

/** We were told to end while a program of ours ran; it has ended. */
export class Interruption extends Error {
  /** @param {NodeJS.Signals} signal */
  constructor(signal) {
    super(`interrupted by ${signal}`)
    this.signal = signal
  }
}

/**
 * Runs a program and collects what it prints. A signal to us in the meantime is passed on to it, and rejects with
 * an `Interruption` once it is gone.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {string} directory
 * @returns {Promise<{ code: number | string, output: string }>} code: the exit code, or the signal or error instead
 */
export async function runTool(program, args, directory) {
  const child = spawn(program, args, { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))

  /** @type {NodeJS.Signals | undefined} */
  let interruption
  /** @param {NodeJS.Signals} signal */
  const passOn = (signal) => {
    interruption = signal
    child.kill(signal)
  }
  const signals = /** @type {const} */ (['SIGINT', 'SIGTERM'])
  for (const signal of signals) process.on(signal, passOn)
  const code = await new Promise((resolve) => {
    child.once('error', (cause) => resolve(cause.message))
    child.once('close', (exitCode, signal) => resolve(exitCode ?? signal))
  })
  for (const signal of signals) process.off(signal, passOn)

  if (interruption) throw new Interruption(interruption)
  return { code, output: output.trim() }
}
