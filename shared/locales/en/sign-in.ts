/** Signing in, and setting a password. */
export const signIn = {
  title: 'Sign in',
  email: 'E-mail address',
  password: 'Password',
  remember: 'Stay signed in on this device',
  button: 'Sign in',
  forgotten: 'Forgot your password?',
  missing: 'Please give your e-mail address and your password.',
  foreign: 'Please sign in on this page: the form came from another site.',
  signedOut: 'You have signed out.',
  reset: {
    title: 'Set a password',
    needsScript: 'Setting a password by mail needs JavaScript.',
    emailOfAccount: 'E-mail address of your account',
    send: 'Send me a link',
    newPassword: 'New password',
    rules: 'At least 8 characters; a few words that only you would put together. All your sessions end.',
    button: 'Set the password',
    done: 'Your password is set. Sign in with it.',
    unreachable: 'The server could not be reached. Please try again.',
  },
}
