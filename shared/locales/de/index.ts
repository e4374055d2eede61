import type { en } from '../en/index.ts'
import { account } from './account.ts'
import { common } from './common.ts'
import { console } from './console.ts'
import { mails } from './mails.ts'
import { problems } from './problems.ts'
import { registration } from './registration.ts'
import { signIn } from './sign-in.ts'
import { start } from './start.ts'
import { verification } from './verification.ts'

export const de: typeof en = {
  account,
  common,
  console,
  mails,
  problems,
  registration,
  signIn,
  start,
  verification,
}
