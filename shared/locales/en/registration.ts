/** Making an account for oneself. */
export const registration = {
  title: 'Register',
  explained: 'You get a mail with a link to set your password.',
  name: 'Name',
  button: 'Register',
  signIn: 'You have an account? Sign in',
  missing: 'Please give a name and an e-mail address.',
  sent: 'A mail is on its way to you. Its link sets your password.',
}
