/**
 * `npm test [-- --fast] [-- --coverage] [-- mocha's arguments]`: set up, lint, check the format and the types, run the
 * tests, several lots of them side by side (lots.js).
 *
 * Each step runs even when one before it failed, since each tells something of its own; the exit code is that of
 * the first that did. With test files among the arguments only those run, without the checks. The last line that
 * is printed is always `N passed, N failed`.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { root, setUp } from '../server/bootstrap/set-up.js'
import { everyLot, fastLots } from './lots.js'

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
let totals = { passes: 0, failures: 0 }

if (await setUp({ production: false })) {
  if (!filesGiven) {
    await step('Linting ...', ['node_modules/oxlint/bin/oxlint', '--deny-warnings', '--format=unix'])
    await step('Checking the format ...', [
      'node_modules/prettier/bin/prettier.cjs',
      '--check',
      '--log-level=warn',
      '.',
    ])
    await step('Checking the types ...', ['node_modules/typescript/bin/tsc', '--noEmit'])
  }
  await runTests()
} else {
  exitCode = 1
}
process.exitCode = exitCode
console.log(`${totals.passes} passed, ${totals.failures} failed`)

async function runTests() {
  console.error('Testing ...')
  const directory = mkdtempSync(join(tmpdir(), 'lockstep-run-'))
  try {
    if (filesGiven) await runMocha([], directory)
    else if (coverage) await runMocha(['test/**/*.test.ts'], directory)
    else {
      process.env.TEST_RECORDS = join(directory, 'records')
      mkdirSync(process.env.TEST_RECORDS, { mode: 0o700 })
      for (const stage of fast ? fastLots(root) : everyLot(root)) await runStage(stage, directory)
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/**
 * @param {import('./lots.js').Stage} stage
 * @param {string} directory
 */
async function runStage({ lanes, lots }, directory) {
  const waiting = [...lots]
  async function runLane() {
    for (let lot = waiting.shift(); lot && !interrupted; lot = waiting.shift()) {
      await runMocha(lot.files, directory, lot.name)
    }
  }
  await Promise.all(Array.from({ length: lanes }, runLane))
}

/**
 * @param {readonly string[]} files
 * @param {string} directory where the reporter leaves the totals
 * @param {string} [lot] the name of the lot, when it shares the terminal with others
 */
async function runMocha(files, directory, lot) {
  const totalsFile = join(directory, `${lot ?? 'all'}.json`)
  const code = await run([
    ...(coverage ? coverageCommand : []),
    'node_modules/mocha/bin/mocha.js',
    '--reporter=test/support/totals-reporter.ts',
    `--reporter-option=totals=${totalsFile}`,
    ...(lot === undefined ? [] : [`--reporter-option=lot=${lot}`]),
    ...mochaArguments,
    ...files,
  ])
  // A run that broke before its end is a failure, whatever had passed.
  const broken = !existsSync(totalsFile)
  if (broken) console.error(`${lot ?? 'mocha'} ended with exit code ${code} before its last test`)
  const { passes, failures } = broken
    ? { passes: 0, failures: 1 }
    : JSON.parse(readFileSync(totalsFile, 'utf8'))
  totals = { passes: totals.passes + passes, failures: totals.failures + failures }
  if (exitCode === 0) exitCode = code
}

/**
 * @param {string} what for the reader
 * @param {string[]} command of a JavaScript program, below the root
 */
async function step(what, command) {
  console.error(what)
  const code = await run(command)
  if (exitCode === 0) exitCode = code
}

/**
 * @param {string[]} command
 * @returns {Promise<number>} the exit code, as a shell would tell it
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
