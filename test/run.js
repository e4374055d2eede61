/**
 * `npm test [-- --fast] [-- --coverage] [-- mocha's arguments]`: sets up, lints, checks the format and the types, and runs
 * the tests, several lots side by side (lots.js).
 *
 * Everything runs even when something before it failed; the exit code is 1 then. With test files among the arguments
 * only those run, without the checks. The last line that is printed is always `N passed, N failed`.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { root, setUp } from '../server/bootstrap/set-up.js'
import { checks, everyLot, fastLots, leftOutOfFast } from './lots.js'

/** The servers that the tests start run what was built; its source maps lead back to the sources. */
const coverageCommand = [
  'node_modules/c8/bin/c8.js',
  ...['server', 'workers', 'shared'].map((directory) => `--include=${directory}/**/*.ts`),
  '--exclude-after-remap',
  '--reporter=text',
  '--reporter=html',
  process.execPath,
]

process.chdir(root)
const coverage = process.argv.includes('--coverage')
const fast = process.argv.includes('--fast')
const mochaArguments = process.argv
  .slice(2)
  .filter((argument) => !['--coverage', '--fast'].includes(argument))
const filesGiven = mochaArguments.some((argument) => existsSync(argument) || argument.endsWith('.test.ts'))

let exitCode = 0
/** A signal ended the lots that ran: no further one begins. */
let interrupted = false

/**
 * By test file; what belongs to none stands under the name of what failed.
 *
 * @typedef {{ passes: number, failures: number }} Outcome
 * @type {Map<string, Outcome>}
 */
const outcomes = new Map()

const begun = performance.now()
if (await setUp({ production: false })) {
  await runTests()
} else {
  exitCode = 1
}
const sum = (/** @type {keyof Outcome} */ of) =>
  [...outcomes.values()].reduce((all, each) => all + each[of], 0)
process.exitCode = exitCode === 0 && (sum('failures') > 0 || interrupted) ? 1 : exitCode
console.log(`${sum('passes')} passed, ${sum('failures')} failed`)

async function runTests() {
  const directory = mkdtempSync(join(tmpdir(), 'lockstep-run-'))
  try {
    if (filesGiven) await runMocha({ name: '', files: [] }, directory)
    else if (coverage) {
      for (const check of checks) await runCheck(check)
      await runMocha({ name: '', files: ['test/**/*.test.ts'] }, directory)
    } else await runLots(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** @param {string} directory */
async function runLots(directory) {
  process.env.TEST_RECORDS = join(directory, 'records')
  mkdirSync(process.env.TEST_RECORDS, { mode: 0o700 })
  const stages = fast ? fastLots(root) : everyLot(root)
  const count = stages.reduce((sum, { lots }) => sum + lots.length, 0)
  console.error(
    `Testing: ${count} lots, several at a time. Each line names the lot, what was tested and how long it took.`,
  )
  const progress = { count, done: 0 }
  for (const stage of stages) await runStage(stage, directory, progress)
  await runAgain(directory)
}

/**
 * @param {import('./lots.js').Stage} stage
 * @param {string} directory
 * @param {{ readonly count: number, done: number }} progress
 */
async function runStage({ lanes, lots }, directory, progress) {
  const waiting = [...lots]
  async function runLane() {
    for (let lot = waiting.shift(); lot && !interrupted; lot = waiting.shift()) {
      await ('command' in lot ? runCheck(lot) : runMocha(lot, directory))
      progress.done++
      const seconds = Math.round((performance.now() - begun) / 1_000)
      console.error(
        `${lot.name.padEnd(14)} done: ${progress.done} of ${progress.count} lots, ${seconds} s since the start`,
      )
    }
  }
  await Promise.all(Array.from({ length: lanes }, runLane))
}

/**
 * What failed beside others has the machine for itself once more: tests here start many processes and have deadlines, and
 * a machine that is shared may have been too slow for them. One that passes then is told of by name.
 *
 * @param {string} directory
 */
async function runAgain(directory) {
  const failed = [...outcomes].filter(([, { failures }]) => failures > 0).map(([file]) => file)
  for (const file of failed) {
    if (interrupted) return
    console.error(`\n${file} failed, and is run again alone ...`)
    outcomes.delete(file)
    await runMocha({ name: '', files: [file] }, directory)
    const passed = [...outcomes].every(([name, { failures }]) => name !== file || failures === 0)
    if (passed) console.error(`\n${file} passed alone: it does not bear a busy machine.`)
  }
}

/**
 * Runs a lot, and keeps the outcome of each of its files. Without a name it has the terminal for itself.
 *
 * @param {import('./lots.js').Lot} lot
 * @param {string} directory where the reporter leaves the outcomes
 */
async function runMocha({ name, files }, directory) {
  const outcomeFile = join(directory, `${name.replaceAll('/', ' ')}.json`)
  rmSync(outcomeFile, { force: true })
  const code = await run([
    ...(coverage ? coverageCommand : []),
    'node_modules/mocha/bin/mocha.js',
    '--reporter=test/support/totals-reporter.ts',
    `--reporter-option=totals=${outcomeFile}`,
    ...(name === '' ? [] : [`--reporter-option=lot=${name}`]),
    ...(fast ? ['--fgrep', leftOutOfFast, '--invert'] : []),
    ...mochaArguments,
    ...files,
  ])
  /** @type {Record<string, Outcome>} */
  const found = existsSync(outcomeFile) ? JSON.parse(readFileSync(outcomeFile, 'utf8')) : {}
  for (const [file, outcome] of Object.entries(found)) outcomes.set(file, outcome)
  const told = Object.values(found).some(({ failures }) => failures > 0)
  // A run that broke before its end, or left something open, is a failure of its files, whatever had passed.
  if (code !== 0 && !told) {
    console.error(`${name || 'mocha'} ended with exit code ${code}`)
    for (const file of files.length > 0 ? files : ['mocha']) {
      const { passes = 0 } = outcomes.get(file) ?? {}
      outcomes.set(file, { passes, failures: 1 })
    }
  }
}

/** @param {import('./lots.js').Check} check */
async function runCheck({ name, command }) {
  const start = performance.now()
  const code = await run(command)
  const seconds = ((performance.now() - start) / 1_000).toFixed(1)
  console.error(`${name.padEnd(14)} ${code === 0 ? '✔ passed' : '✘ failed'} (${seconds} s)`)
  if (exitCode === 0) exitCode = code
}

/**
 * @param {string[]} command
 * @returns {Promise<number>} the exit code, as a shell reports it
 */
function run(command) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, command, { stdio: 'inherit' })
    // Ctrl-C reaches the whole foreground; what comes to us alone is passed on.
    const signals = /** @type {const} */ (['SIGINT', 'SIGTERM'])
    const passOn = (/** @type {NodeJS.Signals} */ signal) => {
      interrupted = true
      child.kill(signal)
    }
    for (const signal of signals) process.on(signal, passOn)
    child.once('close', (code, signal) => {
      for (const name of signals) process.off(name, passOn)
      resolve(code ?? 128 + constants.signals[signal ?? 'SIGKILL'])
    })
  })
}
