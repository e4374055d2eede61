/**
 * `npm test [-- --coverage] [-- mocha's arguments]`: set up, lint, check the format and the types, run the tests.
 *
 * Most tests run in two lanes side by side, since they wait for processes most of the time. Each lane ends with the look
 * for secrets in what its servers printed.
 *
 * Each step runs even when one before it failed, since each tells something of its own; the exit code is that of
 * the first that did. With test files among the arguments only those run, without the checks. The last line that
 * is printed is always `N passed, N failed`.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { root, setUp } from '../server/bootstrap/set-up.js'

const everyTest = 'test/**/*.test.ts'
const apart = ['test/cluster', 'test/browser', 'test/chaos', 'test/limits']
const filesIn = (/** @type {string[]} */ directories) =>
  directories.map((directory) => `${directory}/**/*.test.ts`)
const secrets = 'test/zz-secrets.test.ts'
/** What runs side by side, and what needs the machine for itself: it measures windows, or plays with the clock. */
const stages = [
  [
    [...filesIn(['test/cluster', 'test/browser']), secrets],
    [everyTest, ...apart.map((directory) => `--ignore=${directory}/**`)],
  ],
  [[...filesIn(['test/chaos', 'test/limits']), secrets]],
]

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
const mochaArguments = process.argv.slice(2).filter((argument) => argument !== '--coverage')
const filesGiven = mochaArguments.some((argument) => existsSync(argument) || argument.endsWith('.test.ts'))

let exitCode = 0
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
  const runs = filesGiven || coverage ? [[filesGiven ? [] : [everyTest]]] : stages
  const results = mkdtempSync(join(tmpdir(), 'lockstep-totals-'))
  try {
    for (const [stage, lanes] of runs.entries()) {
      const codes = await Promise.all(
        lanes.map((files, lane) => runMocha(files, join(results, `${stage}.${lane}.json`), lane > 0)),
      )
      if (exitCode === 0) exitCode = codes.find((code) => code !== 0) ?? 0
    }
  } finally {
    rmSync(results, { recursive: true, force: true })
  }
}

/**
 * @param {readonly string[]} files and further arguments of mocha
 * @param {string} totalsFile where the reporter leaves the totals
 * @param {boolean} later whether its output is held back until it has ended
 * @returns {Promise<number>} the exit code
 */
async function runMocha(files, totalsFile, later) {
  const command = [
    ...(coverage ? coverageCommand : []),
    'node_modules/mocha/bin/mocha.js',
    '--reporter=test/support/totals-reporter.ts',
    `--reporter-option=totals=${totalsFile}`,
    ...mochaArguments,
    ...files,
  ]
  const code = await run(command, later)
  // A run that broke before its end is a failure, whatever had passed.
  const { passes, failures } = existsSync(totalsFile)
    ? JSON.parse(readFileSync(totalsFile, 'utf8'))
    : { passes: 0, failures: 1 }
  totals = { passes: totals.passes + passes, failures: totals.failures + failures }
  return code
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
 * @param {boolean} [later] whether what it prints is held back until it has ended
 * @returns {Promise<number>} the exit code, as a shell would tell it
 */
function run(command, later = false) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, command, {
      stdio: later ? ['inherit', 'pipe', 'pipe'] : 'inherit',
    })
    let held = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text) => (held += text))
    }
    // Ctrl-C reaches the whole foreground; what comes to us alone is passed on.
    const signals = /** @type {const} */ (['SIGINT', 'SIGTERM'])
    const passOn = (/** @type {NodeJS.Signals} */ signal) => child.kill(signal)
    for (const signal of signals) process.on(signal, passOn)
    child.once('close', (code, signal) => {
      for (const name of signals) process.off(name, passOn)
      process.stdout.write(held)
      resolve(code ?? 128 + constants.signals[signal ?? 'SIGKILL'])
    })
  })
}
