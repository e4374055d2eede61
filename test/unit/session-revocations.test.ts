import { expect } from 'chai'
import type { ConfirmOptions, Recorded } from '../../shared/coherence/index.ts'
import { createRevocations } from '../../shared/sessions/revocations.ts'
import type { SessionScripts } from '../../shared/sessions/scripts.ts'

describe('A revocation of sessions', () => {
  const recorded: Recorded = { inc: 'a', seq: 1, settled: true, members: [], count: 1 }

  /** Revocations whose first two attempts get no reply. */
  function withLostReplies() {
    const requests: string[] = []
    const options: ConfirmOptions[] = []
    const note = async (request: string) => {
      requests.push(request)
      return { ...recorded, kept: null, knownVersion: 1 }
    }
    const revocations = createRevocations({
      scripts: {
        revokeUser: (_user: string, request: string) => note(request),
        updateSubject: (_subject: unknown, _disabled: boolean, request: string) => note(request),
        announceUser: async () => recorded,
      } as unknown as SessionScripts,
      coherence: {
        async confirm(record, given = {}) {
          options.push(given)
          await record()
          await record()
          return { confirmed: true, recorded: await record(), proof: { members: 0, silent: 0, ms: 0 } }
        },
      },
      seals: { issue: async () => 'sealed', mayBeOurs: () => true },
      drop: { session() {}, user() {} },
      onConfirmed() {},
      onUnconfirmed() {},
    })
    return { revocations, requests, options }
  }

  const subject = { id: 'alice', roles: [], version: 1, profile: {} }
  const repeated = {
    'logout of all': (of: ReturnType<typeof createRevocations>) => of.revokeUser('alice'),
    rotation: (of: ReturnType<typeof createRevocations>) => of.rotateAndRevokeOthers('alice', 'token'),
    disabling: (of: ReturnType<typeof createRevocations>) => of.updateSubject(subject, { disabled: true }),
  }
  for (const [name, revoke] of Object.entries(repeated)) {
    it(`is one request however often it is sent, and another the next time: ${name}`, async () => {
      const { revocations, requests } = withLostReplies()
      await revoke(revocations)
      await revoke(revocations)
      expect(requests).to.have.length(6)
      expect(new Set(requests.slice(0, 3)).size).to.equal(1)
      expect(new Set(requests.slice(3)).size).to.equal(1)
      expect(new Set(requests).size).to.equal(2)
    })
  }

  it('by a login that ended others waits for what an older incarnation may hold, and by no other', async () => {
    const { revocations, options } = withLostReplies()
    await revocations.announceUser('alice', recorded)
    await revocations.announceUser('alice', { ...recorded, count: 0 })
    await revocations.revokeUser('alice')
    expect(options.map(({ nothingEnded = false }) => nothingEnded)).to.deep.equal([false, true, false])
  })
})
