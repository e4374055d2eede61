import { expect } from 'chai'
import { loginRoute, type LoginParts } from '../../server/web/features/auth/login.ts'
import type { AppContext } from '../../shared/app/context.ts'

describe('A login', () => {
  it('takes its ticket before the password is read: one that changes meanwhile voids it', async () => {
    const steps: string[] = []
    const guess = { allowed: true, count: async () => {}, refund: async () => {} }
    const parts = {
      sessions: { prepareLogin: async (id: string) => void steps.push(`ticket of ${id}`) },
      identity: {
        identify: async () => 'ada',
        async verify(id: string) {
          // As long as a password is looked at.
          await new Promise((resolve) => setImmediate(resolve))
          steps.push(`password of ${id}`)
          return null
        },
      },
      guard: { attempt: async () => guess },
      recordAuthEvent: () => {},
    } as unknown as LoginParts
    const { handler } = loginRoute(parts)
    const ctx = {
      state: { clientIp: '192.0.2.1', token: null },
      req: { headers: {} },
    } as unknown as AppContext
    const body = { email: 'ada@example.com', password: 'a guess', remember: false, transport: 'token' }
    const refused = await Promise.resolve(handler(ctx, { body } as never, {} as never)).catch(String)
    expect(refused).to.contain('password is wrong')
    expect(steps).to.deep.equal(['ticket of ada', 'password of ada'])
  })
})
