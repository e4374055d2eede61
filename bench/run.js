/**
 * `npm run bench:NAME`: installs and builds what is missing, then runs `bench/NAME.ts`. Plain JavaScript, since on a
 * fresh machine nothing that runs TypeScript is installed yet.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { isInstalled } from '../server/bootstrap/dependencies.js'
import { root, setUp } from '../server/bootstrap/set-up.js'

const bench = import.meta.dirname
const [name = '', ...options] = process.argv.slice(2)

if ((await setUp({ production: false })) && installPeers()) {
  const program = ['--import', 'tsx', join(bench, `${name}.ts`), ...options]
  process.exitCode = spawnSync(process.execPath, program, { cwd: root, stdio: 'inherit' }).status ?? 1
} else {
  process.exitCode = 1
}

/** What the benchmarks measure against, by a package of its own: nobody who only runs the server installs it. */
function installPeers() {
  if (isInstalled(bench, true)) return true
  console.error('Installing what to measure against (npm ci) ...')
  return spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: bench, stdio: 'inherit' }).status === 0
}
