/** The page /account. */
export const account = {
  title: 'Your account',
  devices: {
    title: 'Your devices',
    explained:
      'Each of these is signed in to your account. One that you do not know: sign it out, and change your password.',
    device: 'Device',
    place: 'Address',
    signedIn: 'Signed in',
    lastSeen: 'Last seen',
    action: 'Action',
    current: 'this device',
    on: (browser: string, system: string) => `${browser} on ${system}`,
    unknown: 'Unknown device',
    unknownPlace: 'unknown',
    none: 'No other devices are on this page.',
    signOut: 'Sign out',
    signOutOf: (device: string) => `Sign out ${device}`,
    label: 'Name of this device',
    labelHint: 'Such as “work laptop”. Empty takes it away.',
    labelSaved: 'The name of this device is saved.',
    others: 'Sign out everywhere else',
    everywhere: 'Sign out everywhere',
  },
  ended: (device: string) => `${device} is signed out.`,
  endedBefore: 'That device had been signed out before.',
  endedOthers: (count: number) =>
    count === 0
      ? 'No other device was signed in.'
      : count === 1
        ? 'One other device is signed out.'
        : `${count} other devices are signed out.`,
  endedAll: 'You are signed out everywhere.',
  /** What a sign-out rests on. */
  proof: ({ members, silent, ms }: SignOutProof) => {
    const time = `in ${Math.max(1, Math.round(ms))} ms`
    if (silent === 0) {
      return members === 1 ? `The worker confirmed ${time}.` : `All ${members} workers confirmed ${time}.`
    }
    const missing = silent === 1 ? 'One does not answer' : `${silent} do not answer`
    return `${members - silent} of ${members} workers confirmed ${time}. ${missing}, and may not accept any session until they have caught up.`
  },
  unconfirmed: 'Not confirmed yet: not every worker has answered. Try again.',
  profile: {
    title: 'Profile',
    name: 'Name',
    email: 'E-mail address',
    roles: 'Roles',
    button: 'Save',
    saved: 'Your profile is saved.',
    verified: 'confirmed',
    unverified: 'not confirmed',
    verify: 'Send a mail to confirm it',
  },
  password: {
    title: 'Password',
    current: 'Current password',
    wanted: 'New password',
    rules:
      'At least 8 characters; a few words that only you would put together. All your other devices are signed out.',
    button: 'Change the password',
    changed: 'Your password is changed, and your other devices are signed out.',
    wrong: 'That is not your current password. Nothing was changed.',
    refused: (why: string) => `The new password ${why}. Nothing was changed.`,
  },
}

export interface SignOutProof {
  readonly members: number
  readonly silent: number
  readonly ms: number
}
