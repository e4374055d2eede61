import type { Command } from './command.ts'
import { check } from './commands/check.ts'
import { doctor } from './commands/doctor.ts'
import { drain } from './commands/drain.ts'
import { limits } from './commands/limits.ts'
import { create } from './commands/new.ts'
import { reload } from './commands/reload.ts'
import { scale } from './commands/scale.ts'
import { sessions } from './commands/sessions.ts'
import { settings } from './commands/settings.ts'
import { status } from './commands/status.ts'
import { user } from './commands/user.ts'

/** Every command but `start`, which works before anything is built (server/lockstep.js). */
export const commands: readonly Command[] = [
  create,
  check,
  status,
  reload,
  scale,
  drain,
  doctor,
  user,
  sessions,
  limits,
  settings,
]
