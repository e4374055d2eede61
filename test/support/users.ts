import { admin, type TestCluster } from './cluster.ts'
import { onEveryWorker, signIn, type Credentials, type SignedIn } from './http.ts'

export interface TestUser {
  readonly id: string
  readonly credentials: Credentials
}

/** The people of a test's server. */
export interface TestUsers {
  readonly administrator: SignedIn
  /** An account that nobody else has, so that one test's sessions are not another's. */
  register(): Promise<TestUser>
}

export async function createUsers({ url }: Pick<TestCluster, 'url'>): Promise<TestUsers> {
  const administrator = await signIn(url, { ...admin, transport: 'token' })
  let registered = 0
  return {
    administrator,
    async register() {
      const name = `user${++registered}`
      const credentials = { email: `${name}@example.com`, password: `${name} prefers long passphrases` }
      const body = { ...credentials, name }
      const answer = await administrator.send('/api/v1/admin/users', { method: 'POST', body })
      if (answer.status !== 201) throw new Error(`registering answered ${answer.status}: ${answer.body}`)
      return { id: answer.json().user.id, credentials }
    },
  }
}

/** What each worker answers when this person asks who they are, in the order of the workers: `[200, 401]`. */
export async function verdicts(
  { workers }: Pick<TestCluster, 'workers'>,
  person: Pick<SignedIn, 'send'>,
): Promise<number[]> {
  const answers = await onEveryWorker(workers, () => person.send('/api/v1/auth/me'))
  return [...answers].toSorted(([one], [other]) => one.localeCompare(other)).map(([, { status }]) => status)
}
