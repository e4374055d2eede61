import type { z } from 'zod'
import { passwordProblem } from '../../../shared/accounts/password-rules.ts'
import { defaultRoles, rolesWith, type Role } from '../../../shared/accounts/roles.ts'
import type { Config } from '../../../shared/config/config.ts'
import { listed } from '../../../shared/config/grammar.ts'
import { email as emailField, line } from '../../web/routing/fields.ts'
import { createEffectiveAccounts } from '../../../shared/accounts/effective-account.ts'
import { CommandFailed, UsageError, whereOthersAre, type Command, type CommandCall } from '../command.ts'
import { readArguments } from '../read-arguments.ts'
import { requireConfirmed } from '../require-confirmed.ts'
import type { Stores } from '../stores.ts'

export const user: Command = {
  name: 'user',
  usages: [
    'user add EMAIL [--name NAME] [--roles ROLES]',
    'user passwd EMAIL',
    'user roles EMAIL ROLES',
    'user disable EMAIL',
    'user enable EMAIL',
  ],
  summary:
    'Accounts: adds one, sets its password or roles (such as user,admin), disables it. A password is typed or piped in.',
  async run(call) {
    const [action = '', ...args] = call.args
    if (!isAction(action)) throw new UsageError(`say what to do: ${Object.keys(actions).join(', ')}`)
    await actions[action]({ ...call, args })
  },
}

const actions = {
  add,
  passwd,
  roles: changeRoles,
  disable: (call: CommandCall) => setDisabled(call, true),
  enable: (call: CommandCall) => setDisabled(call, false),
}

/** Nothing that every object has, such as `constructor`, is one. */
function isAction(text: string): text is keyof typeof actions {
  return Object.hasOwn(actions, text)
}

async function add(call: CommandCall): Promise<void> {
  const { args, config, output, questions } = call
  const options = {
    name: { type: 'string' },
    roles: { type: 'string', default: defaultRoles.join() },
  } as const
  const { values, positionals } = readArguments(args, options, { required: ['EMAIL'] })
  const email = checked(emailField, positionals[0], 'EMAIL')
  const name = checked(line(100), values.name ?? email.slice(0, email.indexOf('@')), '--name')
  const roles = rolesIn(call, values.roles)
  await withStores(config(), async ({ accounts, passwords, note }) => {
    const password = await questions.password((typed) => requireAcceptable(typed, { email, name }))
    const passwordHash = await passwords.hash(password)
    const account = await accounts.create({ email, name, roles, passwordHash })
    if (account === 'email-taken')
      throw new CommandFailed(`there is an account ${email} already`, 'email-taken')
    await note('account-created', account.id, { roles })
    output.result({ id: account.id, email, name, roles }, `added ${email} (${roles.join(', ')})`)
  })
}

async function passwd({ args, config, output, questions }: CommandCall): Promise<void> {
  const { positionals } = readArguments(args, {}, { required: ['EMAIL'] })
  await withStores(config(), async (stores) => {
    const { id, email, name } = await stores.account(positionals[0] ?? '')
    // Before anything is changed: without Redis the sessions of whoever knew the old password would live on.
    const sessions = await stores.sessions()
    const password = await questions.password((typed) => requireAcceptable(typed, { email, name }))
    const hash = await stores.passwords.hash(password)
    if ((await stores.accounts.setPassword(id, hash)) === 'gone')
      throw new CommandFailed('the account is gone')
    await stores.note('password-changed', id)
    const revoked = requireConfirmed(await sessions.revokeUser(id), 'the password was changed')
    output.result({ id, email, revoked }, `changed the password of ${email}; ${sessionsEnded(revoked)}`)
  })
}

async function changeRoles(call: CommandCall): Promise<void> {
  const { args, config, output } = call
  const { positionals } = readArguments(args, {}, { required: ['EMAIL', 'ROLES'] })
  const roles = rolesIn(call, positionals[1] ?? '')
  await change({ config, email: positionals[0] ?? '', changes: { roles } }, ({ id, email }) => {
    output.result({ id, email, roles }, `${email} has the roles ${roles.join(', ')} now, on every worker`)
  })
}

async function setDisabled({ args, config, output }: CommandCall, disabled: boolean): Promise<void> {
  const { positionals } = readArguments(args, {}, { required: ['EMAIL'] })
  await change({ config, email: positionals[0] ?? '', changes: { disabled } }, ({ id, email, revoked }) => {
    const text = disabled ? `disabled ${email}; ${sessionsEnded(revoked)}` : `enabled ${email}`
    output.result({ id, email, disabled, revoked }, text)
  })
}

interface Change {
  readonly config: CommandCall['config']
  readonly email: string
  readonly changes: { readonly roles?: readonly Role[]; readonly disabled?: boolean }
}

/**
 * First the record, then what sessions know of it. Unlike over HTTP the last administrator may be changed: this is
 * the way back in.
 */
async function change(
  { config, email, changes }: Change,
  tell: (changed: { id: string; email: string; revoked: number }) => void,
): Promise<void> {
  await withStores(config(), async (stores) => {
    const id = await stores.accountId(email)
    const effective = createEffectiveAccounts({
      accounts: stores.accounts,
      sessions: await stores.sessions(),
    })
    const account = await stores.accounts.update(id, changes)
    if (account === null) throw new CommandFailed('the account is gone')
    await stores.note('account-changed', id, changes)
    const applied = await effective.apply(account)
    tell({ id, email: account.email, revoked: requireConfirmed(applied, 'the account was changed') })
  })
}

function requireAcceptable(password: string, owner: { email: string; name: string }): void {
  const problem = password === '' ? 'is empty' : passwordProblem(password, owner)
  if (problem !== null) throw new CommandFailed(`the password ${problem}`, 'weak-password')
}

/** Opening the stores takes many modules, which the other commands and mistakes need not wait for. */
async function withStores(config: Config, work: (stores: Stores) => Promise<void>): Promise<void> {
  const stores = await import('../stores.ts')
  await stores.withStores(config, work)
}

function rolesIn(call: CommandCall, text: string): Role[] {
  const found = text.split(',').map((word) => roleNamed(call, word))
  const twice = found.find((role, index) => found.indexOf(role) !== index)
  if (twice !== undefined) throw new UsageError(`the role ${JSON.stringify(twice)} is named twice`)
  return found
}

function roleNamed(call: CommandCall, text: string): Role {
  const roles = rolesWith(call.app?.roles)
  if (roles.includes(text)) return text
  throw new UsageError(`there is no role ${JSON.stringify(text)}: ${listed(roles)}${whereOthersAre(call)}`)
}

function checked<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new UsageError(`${what}: ${wordsFor(parsed.error.issues[0])}`)
}

/** What our own rules say is for people already; of bounds zod speaks to programmers. */
function wordsFor(issue: z.core.$ZodIssue | undefined): string {
  if (issue?.code === 'too_small') return 'must not be empty'
  if (issue?.code === 'too_big') return `must have at most ${issue.maximum} characters`
  return issue?.message ?? 'is not valid'
}

function sessionsEnded(count: number): string {
  return count === 1 ? '1 session ended' : `${count} sessions ended`
}
