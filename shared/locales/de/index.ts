import type { en } from '../en/index.ts'
import { account } from './account.ts'
import { common } from './common.ts'
import { console } from './console.ts'
import { problems } from './problems.ts'
import { signIn } from './sign-in.ts'
import { start } from './start.ts'

export const de: typeof en = { account, common, console, problems, signIn, start }
