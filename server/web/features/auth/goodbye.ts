/** What the sign-in page says to anyone who has just signed out. It stands in the address, since the cookies have gone. */
import { z } from 'zod'
import type { Proof } from '../../../../shared/coherence/index.ts'
import type { AppContext } from '../../../../shared/app/context.ts'
import { textsOf } from '../pages/locale.ts'

const outs = ['1', 'everywhere', 'expired'] as const
const count = z.string().regex(/^\d{1,6}$/)

/** As parameters of the query. */
export const goodbyeFields = {
  out: z.enum(outs).optional(),
  workers: count.optional(),
  silent: count.optional(),
  ms: count.optional(),
}

export function goodbyePath(where: 'here' | 'everywhere', proof: Proof | undefined): string {
  const rests: Record<string, string> = proof
    ? { workers: String(proof.members), silent: String(proof.silent), ms: String(Math.round(proof.ms)) }
    : {}
  const out = where === 'here' ? '1' : 'everywhere'
  return `/sign-in?${new URLSearchParams({ out, ...rests }).toString()}`
}

interface Goodbye {
  readonly out?: (typeof outs)[number] | undefined
  readonly workers?: string | undefined
  readonly silent?: string | undefined
  readonly ms?: string | undefined
}

export function goodbyeText(
  ctx: AppContext,
  { out, workers, silent = '0', ms }: Goodbye,
): { notice?: string; fault?: string } {
  const { account, common, signIn } = textsOf(ctx)
  if (out === undefined) return {}
  if (out === 'expired') return { fault: common.expired }
  const said = out === '1' ? signIn.signedOut : account.endedAll
  if (workers === undefined || ms === undefined) return { notice: said }
  const proof = { members: Number(workers), silent: Number(silent), ms: Number(ms) }
  return { notice: `${said} ${account.proof(proof)}` }
}
