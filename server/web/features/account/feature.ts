import type { SignEvent } from '../../../../shared/app/feature.ts'
import type { Parts } from '../../../../shared/app/parts.ts'
import { defineStream } from '../../../../shared/app/stream.ts'
import { requireIdentity } from '../../../../shared/app/context.ts'
import type { ServerFeature } from '../feature.ts'
import { asset } from '../pages/assets.ts'
import { accountPaths } from './account-page.ts'
import { accountRoutes } from './account.ts'

/** Where the pages of a user are told of that a session began or ended. */
const channelOf = (userId: string) => `account-devices:${userId}`

/** What people see and change of their own: devices, profile, password. */
export const account: ServerFeature = ({ services, sessions }) => {
  const live = defineStream({
    path: accountPaths.live,
    access: 'signed-in',
    summary: 'When a device of the user signs in or out',
    async open(ctx, stream) {
      await stream.join(channelOf(requireIdentity(ctx).identity.user.id))
      // It may have happened before this was open.
      stream.send({ event: 'devices', data: '' })
    },
  })
  return {
    name: 'account',
    pages: [
      ...accountRoutes({ ...services, sessions }),
      services.liveRoute(live),
      asset(accountPaths.script, import.meta.dirname, 'live-devices.js', 'text/javascript; charset=utf-8'),
    ],
    hooks: { signedIn: tellDevices, signedOut: tellDevices },
  }
}

async function tellDevices({ userId }: SignEvent, { broadcast }: Parts): Promise<void> {
  await broadcast(channelOf(userId), { event: 'devices', data: '' })
}
