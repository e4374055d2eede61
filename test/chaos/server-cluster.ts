import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openAccounts } from '../../shared/accounts/open-accounts.ts'
import { createPasswords } from '../../shared/accounts/passwords.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { makeApplicationFolder } from '../support/application-folder.ts'
import { startCluster } from '../support/cluster.ts'
import type { ChaosTarget, Credentials } from './target.ts'

const password = 'nine-Herons-above-the-quiet-weir'

/** With a stream whose events are the time of the machine. */
const application = `
import { defineApp, defineStream } from 'lockstep'
export default defineApp({
  name: 'chaos',
  streams: [defineStream({
    path: '/feed', access: 'signed-in', limits: [], summary: 'The time',
    open(ctx, { send, signal }) {
      const timer = setInterval(() => send({ data: String(Number(process.hrtime.bigint()) / 1e6) }), 40)
      signal.addEventListener('abort', () => clearInterval(timer))
    },
  })],
})
`

/** The real server, as it is built, with accounts for as many people as the test needs. */
export async function startServerCluster(
  workers: number,
  { redisUrl, people }: { redisUrl: string; people: number },
): Promise<ChaosTarget> {
  const dataDir = await mkdtemp(join(tmpdir(), 'lockstep-chaos-'))
  const folder = await makeApplicationFolder({ 'app.js': application })
  try {
    const users = await createUsers(join(dataDir, 'accounts.sqlite'), people)
    const cluster = await startCluster({
      workers,
      dataDir,
      redisUrl,
      applicationFile: './app.js',
      cwd: folder.path,
      env: {
        SESSION_DURABILITY: 'keep',
        JOB_WORKERS: '0',
        EXPOSE_WORKER: 'on',
        LIMIT_API: 'off',
        LIMIT_LOGIN_IP: 'off',
        LIMIT_LOGIN_ACCOUNT: 'off',
        MAX_SESSIONS_PER_USER: '1000',
      },
    })
    // The primary hands connections out; some more than there are workers reach each of them.
    const door = { name: 'any worker', port: Number(new URL(cluster.url).port) }
    return {
      doors: () => Array.from({ length: workers + 2 }, () => door),
      pids: () => [...cluster.workerPids().values()],
      takeUser: () => users.shift() ?? null,
      handBack: (user) => void users.push(user),
      async stop() {
        await cluster.stop().finally(async () => {
          await rm(dataDir, { recursive: true, force: true })
          await folder.remove()
        })
      },
    }
  } catch (failure) {
    await folder.remove()
    await rm(dataDir, { recursive: true, force: true })
    throw failure
  }
}

/** All have the same password: hashing is dear, and they are one and the same to the sessions. */
async function createUsers(file: string, count: number): Promise<Credentials[]> {
  const accounts = openAccounts({ kind: 'sqlite', file })
  await accounts.start()
  await accounts.migrate()
  const passwordHash = await createPasswords().hash(password)
  const users = Array.from({ length: count }, (_, i) => ({ email: `person-${i}@example.com`, password }))
  for (const { email } of users) await accounts.create({ email, name: email, roles: ['user'], passwordHash })
  await accounts.stop(deadlineIn(1_000))
  return users
}
