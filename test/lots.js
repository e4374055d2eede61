/**
 * Which test files run together in one process, and which processes side by side.
 *
 * Most tests wait for processes, timers and Redis, so several lots at once make use of both cores. Files that start
 * the real server are the slow ones: they begin first, in small lots, so that no lane ends long after the others.
 * What measures windows, plays with the clock or waits for elections comes after them, with a core for each.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

/**
 * @typedef {{ name: string, files: string[] }} Lot test files that run in one process
 * @typedef {{ name: string, command: string[] }} Check a JavaScript program, below the root
 * @typedef {{ lanes: number, lots: (Lot | Check)[] }} Stage lots are taken in order by whichever lane is free
 */

/** The slowest files. Each is a lot of its own, and they begin first. */
const slowest = [
  'cluster/primary.test.ts',
  'cluster/pm2.test.ts',
  'cluster/zero-loss.test.ts',
  'cluster/cli.test.ts',
  'cluster/deployments.test.ts',
  'cluster/tracing.test.ts',
]

/** Folders of `test/`, in the order in which their lots begin; `size` files make a lot. */
const sideBySide = [
  { folder: 'cluster', size: 3 },
  { folder: 'browser', size: 2 },
  { folder: 'queues', size: 4 },
  { folder: 'integration', size: 6 },
  { folder: 'contracts', size: 4 },
  { folder: 'unit', size: 12 },
]
/** The longest first: the two others take as long as it. */
const calm = ['failover', 'chaos', 'limits']
/** A file of another folder that counts the seconds of an election. */
const calmFile = 'queues/failover.test.ts'
const calmLanes = 2

/** They install from the registry what would be released: `npm run test:package`, before every release. */
const beforeReleases = ['package']

/**
 * What is wrong without anything being run. The caches hold what has not changed since the last run: all of the format
 * would take as long as a quarter of the fast tests.
 *
 * @type {Check[]}
 */
export const checks = [
  { name: 'lint', command: ['node_modules/oxlint/bin/oxlint', '--deny-warnings', '--format=unix'] },
  {
    name: 'format',
    command: [
      'node_modules/prettier/bin/prettier.cjs',
      '--check',
      '--log-level=warn',
      '--cache',
      '--cache-strategy=content',
      '--cache-location=node_modules/.cache/lockstep/prettier.json',
      '.',
    ],
  },
  {
    name: 'types',
    command: [
      'node_modules/typescript/bin/tsc',
      '--noEmit',
      '--incremental',
      '--tsBuildInfoFile',
      'node_modules/.cache/lockstep/types.tsbuildinfo',
    ],
  },
]

/**
 * What a developer runs before each commit: within a minute, and with a look at every layer. What needs a Postgres (its
 * title says so) is left to the whole run.
 */
const fast = [
  { folder: 'unit', size: 12 },
  { folder: 'contracts', size: 3 },
]
export const leftOutOfFast = 'Postgres'
/** Models that try thousands of histories. */
const thorough = ['unit/member-state.model.test.ts']
/** It forks processes and waits for them: begun first, it takes no time of its own. */
const waiting = ['unit/supervisor.test.ts']
const fastSamples = [
  'integration/http-login.test.ts',
  'integration/http-sessions.test.ts',
  'cluster/logout.test.ts',
]

/** It looks at what the servers of all lots have printed. */
const secrets = { name: 'secrets', files: ['test/zz-secrets.test.ts'] }

const lanes = 4

/**
 * @param {string} root
 * @returns {Stage[]}
 */
export function everyLot(root) {
  const known = [...sideBySide.map(({ folder }) => folder), ...calm, ...beforeReleases]
  const others = foldersWithTests(root).filter((folder) => !known.includes(folder))
  const folders = [...sideBySide, ...others.map((folder) => ({ folder, size: 4 }))]
  const first = slowest.map(lotOf)
  return [
    {
      lanes,
      lots: [...first, ...checks, ...folders.flatMap(({ folder, size }) => lotsOf(root, folder, size))],
    },
    {
      lanes: calmLanes,
      lots: [...calm.flatMap((folder) => lotsOf(root, folder, Infinity)), lotOf(calmFile)],
    },
    { lanes: 1, lots: [secrets] },
  ]
}

/**
 * @param {string} root
 * @returns {Stage[]}
 */
export function fastLots(root) {
  const samples = { name: 'samples', files: fastSamples.map((file) => `test/${file}`) }
  const lots = fast.flatMap(({ folder, size }) => lotsOf(root, folder, size, [...thorough, ...waiting]))
  const first = waiting.map(lotOf)
  return [{ lanes, lots: [...first, samples, ...checks, ...lots] }]
}

/**
 * @param {string} file
 * @returns {Lot}
 */
function lotOf(file) {
  return { name: file.replace('.test.ts', ''), files: [`test/${file}`] }
}

/**
 * @param {string} root
 * @param {string} folder
 * @param {number} size
 * @param {string[]} [without]
 * @returns {Lot[]}
 */
function lotsOf(root, folder, size, without = []) {
  const files = testsIn(root, folder).filter((file) => !without.includes(file.replace('test/', '')))
  const count = Math.ceil(files.length / Math.min(size, Math.max(files.length, 1)))
  // Dealt out like cards: neighbours in the alphabet are often alike, and slow together.
  return Array.from({ length: count }, (_, lot) => ({
    name: count === 1 ? folder : `${folder} ${lot + 1}`,
    files: files.filter((_file, index) => index % count === lot),
  }))
}

/** @param {string} root */
function foldersWithTests(root) {
  return readdirSync(join(root, 'test'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && testsIn(root, entry.name).length > 0)
    .map(({ name }) => name)
}

/**
 * @param {string} root
 * @param {string} folder
 */
function testsIn(root, folder) {
  const directory = join(root, 'test', folder)
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts') && ![...slowest, calmFile].includes(`${folder}/${name}`))
    .sort()
    .map((name) => `test/${folder}/${name.replaceAll('\\', '/')}`)
}
