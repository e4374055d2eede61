/** What pages of every kind say. */
export const common = {
  skip: 'Skip to the content',
  navigation: 'Main',
  start: 'Start',
  account: 'Your account',
  signIn: 'Sign in',
  signOut: 'Sign out',
  signedInAs: (name: string) => `Signed in as ${name}`,
  cancel: 'Cancel',
  save: 'Save',
  sure: 'Are you sure?',
  pages: 'Pages',
  firstPage: 'First page',
  nextPage: 'Next page',
  empty: 'There is nothing here.',
  request: (id: string) => `Request ${id}`,
  expired: 'You were signed out in the meantime. Nothing was changed: please sign in and try again.',
}
