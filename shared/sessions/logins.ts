import type { Authority } from './authority.ts'
import type { Revocations } from './revocations.ts'
import type { Sessions } from './sessions.ts'
import { hashToken, newSessionId } from './token.ts'
import type { TokenSeals } from './token-seals.ts'

export interface LoginDependencies {
  readonly authority: Pick<Authority, 'prepareLogin' | 'create' | 'kept' | 'withdraw'>
  readonly revocations: Pick<Revocations, 'announceUser'>
  readonly seals: Pick<TokenSeals, 'issue'>
  readonly lifetimes: { readonly absoluteMs: number; readonly rememberAbsoluteMs: number }
}

/** The two steps of a login: the only way in which a session comes into being. */
export function createLogins(dependencies: LoginDependencies): Pick<Sessions, 'prepareLogin' | 'create'> {
  const { authority, revocations, seals, lifetimes } = dependencies

  return {
    prepareLogin: authority.prepareLogin,

    async create(ticket, { subject, remember = false, device = {}, endOthers = false }) {
      const token = await seals.issue()
      const hash = hashToken(token)
      const created = await authority.create({
        hash,
        sessionId: newSessionId(),
        ticket,
        subject,
        device,
        remember,
        absoluteMs: remember ? lifetimes.rememberAbsoluteMs : lifetimes.absoluteMs,
        endOthers,
      })
      if (created.outcome !== 'created') return { outcome: created.outcome }
      // The login ended other sessions, or brought newer roles: as true everywhere as any revocation.
      const told = created.announced ? await revocations.announceUser(subject.id, created) : null
      if (told?.outcome === 'unconfirmed') {
        authority.withdraw(hash)
        return told
      }
      await authority.kept(created.inc)
      return { outcome: 'created', token, identity: created.identity }
    },
  }
}
