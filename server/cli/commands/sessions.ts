import type { SessionInfo } from '../../../shared/sessions/index.ts'
import { CommandFailed, UsageError, type Command } from '../command.ts'
import { isoTime, table } from '../output.ts'
import { readArguments } from '../read-arguments.ts'
import { requireConfirmed } from '../require-confirmed.ts'

export const sessions: Command = {
  name: 'sessions',
  usages: ['sessions list EMAIL', 'sessions revoke EMAIL [ID]'],
  summary: 'Shows the sessions of a user, or ends one or all of them, on every worker.',
  async run({ args, config, output }) {
    const [action, ...rest] = args
    if (action !== 'list' && action !== 'revoke') throw new UsageError('say what to do: list or revoke')
    const optional = action === 'revoke' ? ['ID'] : []
    const { positionals } = readArguments(rest, {}, { required: ['EMAIL'], optional })
    const [email = '', sessionId] = positionals
    // It takes many modules, which mistakes need not wait for.
    const { withStores } = await import('../stores.ts')
    await withStores(config(), async (stores) => {
      const id = await stores.accountId(email)
      const live = await stores.sessions()
      if (action === 'list') {
        const found = await live.list(id)
        output.result({ sessions: found.map(asJson) }, table(head, found.map(row)))
        return
      }
      const ended = sessionId === undefined ? await live.revokeUser(id) : await live.revokeById(id, sessionId)
      const revoked = requireConfirmed(ended, 'the sessions were ended')
      if (sessionId !== undefined && revoked === 0) {
        throw new CommandFailed(`${email} has no session ${JSON.stringify(sessionId)}`, 'no-such-session')
      }
      await stores.note('account-sessions-ended', id, { revoked })
      output.result({ revoked }, `${revoked === 1 ? '1 session' : `${revoked} sessions`} ended`)
    })
  },
}

/** Times as over HTTP. */
function asJson(session: SessionInfo): object {
  const { createdAt, lastSeenAt, absoluteExpiresAt } = session
  return {
    ...session,
    createdAt: isoTime(createdAt),
    lastSeenAt: isoTime(lastSeenAt),
    absoluteExpiresAt: isoTime(absoluteExpiresAt),
  }
}

const head = ['SESSION', 'LAST SEEN', 'FROM', 'LABEL', 'USER AGENT']

function row({ id, lastSeenAt, ip, label, userAgent }: SessionInfo): string[] {
  // Chosen by the client: it must not speak to the terminal.
  const shown = (text: string | null) => (text ?? '-').replace(/\p{Cc}/gu, '?').slice(0, 60)
  return [id, isoTime(lastSeenAt), shown(ip), shown(label), shown(userAgent)]
}
