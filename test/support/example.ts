/** An example as its user has it: a folder of its own, in which `lockstep` is installed. */
import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { spawn } from 'node:child_process'
import { serverCache, testRedisServer } from './redis.ts'

const root = path.join(import.meta.dirname, '..', '..')

export interface Example {
  readonly directory: string
  /** Runs a program of Node in it; gives its exit code and what it printed. */
  run(
    script: string,
    args?: readonly string[],
    env?: Readonly<Record<string, string>>,
  ): Promise<{ code: number | null; output: string }>
  remove(): Promise<void>
}

export async function copyExample(name: string): Promise<Example> {
  const directory = await mkdtemp(path.join(tmpdir(), `lockstep-${name}-`))
  await cp(path.join(root, 'examples', name), directory, { recursive: true })
  const { dependencies = {}, devDependencies = {} } = JSON.parse(
    readFileSync(path.join(directory, 'package.json'), 'utf8'),
  ) as { dependencies?: Record<string, string>; devDependencies?: Record<string, string> }
  const modules = path.join(directory, 'node_modules')
  await mkdir(path.join(modules, '.cache', 'lockstep'), { recursive: true })
  for (const dependency of Object.keys({ ...dependencies, ...devDependencies })) {
    const target = dependency === 'lockstep' ? root : path.join(root, 'node_modules', dependency)
    await symlink(target, path.join(modules, dependency))
  }
  await testRedisServer()
  await symlink(serverCache, path.join(modules, '.cache', 'lockstep', 'redis-bin'))
  return {
    directory,
    run(script, args = [], env = {}) {
      return new Promise((resolve) => {
        const { PATH, HOME, TMPDIR, REDIS_SERVER_BIN } = process.env
        const child = spawn(process.execPath, [path.join(modules, script), ...args], {
          cwd: directory,
          env: { PATH, HOME, TMPDIR, REDIS_SERVER_BIN, ...env },
          stdio: ['ignore', 'pipe', 'pipe'],
        })
        let output = ''
        for (const stream of [child.stdout, child.stderr]) {
          stream.setEncoding('utf8').on('data', (text: string) => (output += text))
        }
        child.once('close', (code) => resolve({ code, output }))
      })
    },
    remove: () => rm(directory, { recursive: true, force: true, maxRetries: 5 }),
  }
}
