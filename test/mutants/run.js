/**
 * `npm run test:mutants [-- words of a rule]`: applies the mutants of mutants.js one by one, in copies of this tree, and
 * runs the tests that must fail. Fails when one survives, when it does not apply any more, or when its tests fail without
 * it too.
 */
import { execFileSync, spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { root, setUp } from '../../server/bootstrap/set-up.js'
import { mutants as all } from './mutants.js'

/** Tests that hang have noticed something; those that pass need a fraction of it. */
const patienceMs = 180_000

process.chdir(root)
if (!(await setUp({ production: false }))) process.exit(1)

const words = process.argv.slice(2).join(' ').toLowerCase()
const mutants = all.filter(({ rule, file }) => `${rule} ${file}`.toLowerCase().includes(words))
const queue = [...mutants]
/** @type {Map<string, Promise<boolean>>} */
const controls = new Map()
/** @type {{ rule: string, file: string, verdict: string, seconds: number }[]} */
const results = []

await Promise.all(Array.from({ length: Math.min(availableParallelism(), mutants.length) }, workThrough))
report()

async function workThrough() {
  const copy = copyTree()
  try {
    for (let mutant = queue.shift(); mutant; mutant = queue.shift()) {
      const start = performance.now()
      const verdict = await judge(copy, mutant)
      const seconds = (performance.now() - start) / 1_000
      results.push({ rule: mutant.rule, file: mutant.file, verdict, seconds })
      console.log(`${verdict.padEnd(9)} ${seconds.toFixed(0).padStart(4)} s  ${mutant.rule}`)
    }
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

/** What is in the tree, committed or not, without what is built or installed. */
function copyTree() {
  const copy = mkdtempSync(join(tmpdir(), 'lockstep-mutants-'))
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    maxBuffer: 64 * 2 ** 20,
  })
  for (const file of listed.toString().split('\0').filter(Boolean)) {
    mkdirSync(join(copy, dirname(file)), { recursive: true })
    try {
      cpSync(file, join(copy, file))
    } catch (cause) {
      // Deleted and not committed.
      if (/** @type {NodeJS.ErrnoException} */ (cause).code !== 'ENOENT') throw cause
    }
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  return copy
}

/**
 * @param {string} copy
 * @param {import('./mutants.d.ts').Mutant} mutant
 * @returns {Promise<'killed' | 'survived' | 'broken' | 'outdated' | 'no proof'>}
 */
async function judge(copy, mutant) {
  const file = join(copy, mutant.file)
  const source = readFileSync(file, 'utf8')
  if (source.split(mutant.before).length !== 2) return 'outdated'
  if (!(await passesUntouched(copy, mutant))) return 'no proof'
  writeFileSync(
    file,
    source.replace(mutant.before, () => mutant.after),
  )
  try {
    const outcome = await runTests(copy, mutant)
    return outcome === 'passed' ? 'survived' : outcome === 'failed' ? 'killed' : 'broken'
  } finally {
    writeFileSync(file, source)
  }
}

/** Tests that fail by themselves prove nothing. Once for each selection of tests. */
function passesUntouched(copy, { tests, grep }) {
  const selection = JSON.stringify([tests, grep])
  let control = controls.get(selection)
  if (!control) controls.set(selection, (control = passes(copy, { tests, grep })))
  return control
}

/** @returns {Promise<boolean>} */
async function passes(copy, selection) {
  return (await runTests(copy, selection)) === 'passed'
}

/** @returns {Promise<'passed' | 'failed' | 'broken'>} broken: no test ran, since the code can not even be loaded */
function runTests(copy, { tests, grep }) {
  const options = grep ? ['--grep', grep] : []
  const mocha = spawn(
    process.execPath,
    ['node_modules/mocha/bin/mocha.js', '--bail', '--fail-zero', '--timeout=20000', ...options, ...tests],
    { cwd: copy, stdio: ['ignore', 'pipe', 'ignore'], detached: true },
  )
  let output = ''
  mocha.stdout.on('data', (text) => (output += text))
  let hung = false
  // With all that the tests have started.
  const patience = setTimeout(() => {
    hung = true
    process.kill(-(mocha.pid ?? 0), 'SIGKILL')
  }, patienceMs)
  return new Promise((resolve) => {
    mocha.once('exit', (code) => {
      clearTimeout(patience)
      if (code === 0) resolve('passed')
      else resolve(hung || /\d failing/.test(output) ? 'failed' : 'broken')
    })
  })
}

function report() {
  const wrong = results.filter(({ verdict }) => verdict !== 'killed')
  for (const { verdict, rule, file } of wrong) console.log(`\n${verdict}: ${rule} (${file})`)
  console.log(`\n${results.length - wrong.length} of ${results.length} mutants killed`)
  process.exitCode = wrong.length > 0 || results.length === 0 ? 1 : 0
}
